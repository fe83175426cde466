"""Webhooks, as their port promises them: over HTTP, to servers of whom nothing good is expected."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from chassis.clock import ManualClock, SystemClock
from notifier.adapters.webhook_channel.addresses import Addresses
from notifier.adapters.webhook_channel.http import HttpWebhookChannel
from notifier.domain.faults import ChannelUnavailable, WebhookUrlRefused
from notifier.domain.webhook import (
    Answered,
    Webhook,
    WebhookCall,
    event,
    is_public,
    message_id,
    new_secret,
)
from notifier.ports import WebhookChannel
from tests.http_endpoint import HttpEndpoint, Reply
from tests.webhook_receiver import verified

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOST = "hooks.example.org"


class NameServer(Addresses):
    """Knows the addresses that a test gives, one list after the other."""

    def __init__(self, *answers: Sequence[str]) -> None:
        super().__init__()
        self._answers = list(answers)

    async def of(self, host: str, port: int) -> Sequence[str]:
        """The next list; the last one for ever."""
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.fixture
def endpoint() -> Iterator[HttpEndpoint]:
    """A server of somebody's."""
    with HttpEndpoint() as started:
        yield started


@pytest.fixture
async def channel() -> AsyncIterator[WebhookChannel]:
    """A channel that posts also to this host."""
    opened = HttpWebhookChannel(5.0, ManualClock(NOW), allow_http=True, allow_private=True)
    yield opened
    await opened.close()


@pytest.fixture
async def strict() -> AsyncIterator[WebhookChannel]:
    """A channel as it is where nothing is set."""
    opened = HttpWebhookChannel(5.0, ManualClock(NOW))
    yield opened
    await opened.close()


async def closed(writer: asyncio.StreamWriter) -> None:
    """Closes a connection, whatever the other end does."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def a_call(url: str, *secrets: str, body: bytes = b'{"a":"\xc3\xbc"}') -> WebhookCall:
    """Something to post."""
    return WebhookCall(url, "msg_7", body, secrets or (new_secret(),))


async def test_what_is_posted_is_what_was_written_and_signed(
    channel: WebhookChannel, endpoint: HttpEndpoint
) -> None:
    secret = new_secret()
    call = a_call(endpoint.url + "/hook?a=b", secret)
    assert await channel.post(call) == Answered(200)
    [asked] = endpoint.had
    assert (asked.method, asked.path, asked.body) == ("POST", "/hook?a=b", call.body)
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["host"] == f"127.0.0.1:{endpoint.port}"
    assert asked.headers["webhook-id"] == "msg_7"
    assert asked.headers["webhook-timestamp"] == f"{int(NOW.timestamp())}"
    assert verified(secret, asked.headers, asked.body)
    assert not verified(secret, asked.headers, asked.body + b" ")
    assert not verified(new_secret(), asked.headers, asked.body)
    later = {**asked.headers, "webhook-timestamp": f"{int(NOW.timestamp()) + 1}"}
    assert not verified(secret, later, asked.body)


async def test_for_a_day_both_secrets_sign_after_a_rotation(
    channel: WebhookChannel, endpoint: HttpEndpoint
) -> None:
    former, present = new_secret(), new_secret()
    webhook = Webhook("w", "u", "users/a", "", endpoint.url, (), NOW, NOW, secret=former)
    rotated = webhook.rotated(present, NOW)
    day = timedelta(days=1)
    for moment, both in ((NOW, True), (NOW + day, False)):
        call = a_call(endpoint.url, *rotated.signing_secrets(moment))
        await channel.post(call)
        asked = endpoint.had[-1]
        assert verified(present, asked.headers, asked.body)
        assert verified(former, asked.headers, asked.body) == both


@pytest.mark.parametrize("status", [200, 204, 301, 302, 307, 400, 404, 410, 429, 500, 503])
async def test_every_answer_is_told_and_nobody_is_followed(
    channel: WebhookChannel, endpoint: HttpEndpoint, status: int
) -> None:
    headers = {"Location": f"{endpoint.url}/elsewhere", "Retry-After": "9"}
    endpoint.answer = lambda _asked: Reply(status, headers, b"" if status == 204 else b"x")
    answered = await channel.post(a_call(endpoint.url))
    assert answered == Answered(status, 9.0)
    assert answered.is_good == (status < 300)
    assert answered.is_gone == (status == 410)
    assert len(endpoint.had) == 1


async def test_a_long_answer_is_not_read_to_its_end(
    channel: WebhookChannel, endpoint: HttpEndpoint
) -> None:
    endpoint.answer = lambda _asked: Reply(200, body=b"x" * 64 * 1024 * 1024)
    assert await channel.post(a_call(endpoint.url)) == Answered(200)
    assert endpoint.sent < 48 * 1024 * 1024


async def test_what_is_packed_small_is_not_unpacked(
    channel: WebhookChannel, endpoint: HttpEndpoint
) -> None:
    endpoint.answer = lambda _asked: Reply(200, {"Content-Encoding": "gzip"}, b"not packed at all")
    assert await channel.post(a_call(endpoint.url)) == Answered(200)


async def test_a_server_that_hangs_costs_its_time_and_no_more(endpoint: HttpEndpoint) -> None:
    endpoint.answer = lambda _asked: Reply(hangs=True)
    channel = HttpWebhookChannel(0.5, SystemClock(), allow_http=True, allow_private=True)
    began = time.monotonic()
    with pytest.raises(ChannelUnavailable, match="no answer within"):
        await channel.post(a_call(endpoint.url))
    assert time.monotonic() - began < 5
    await channel.close()


async def test_a_server_that_drips_costs_its_time_and_no_more() -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        with pytest.raises(OSError):
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        await closed(writer)
        ended.set()

    ended = asyncio.Event()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    channel = HttpWebhookChannel(0.5, SystemClock(), allow_http=True, allow_private=True)
    began = time.monotonic()
    with pytest.raises(ChannelUnavailable):
        await channel.post(a_call(f"http://127.0.0.1:{port}"))
    assert time.monotonic() - began < 5
    await channel.close()
    async with asyncio.timeout(20):
        await ended.wait()
    server.close()
    await server.wait_closed()


async def test_what_is_no_http_is_no_answer() -> None:
    async def mumble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP\r\n")
        await closed(writer)
        ended.set()

    ended = asyncio.Event()

    server = await asyncio.start_server(mumble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    channel = HttpWebhookChannel(5.0, SystemClock(), allow_http=True, allow_private=True)
    with pytest.raises(ChannelUnavailable, match="no HTTP"):
        await channel.post(a_call(f"http://127.0.0.1:{port}"))
    async with asyncio.timeout(20):
        await ended.wait()
    server.close()
    await server.wait_closed()
    with pytest.raises(ChannelUnavailable, match="refused"):
        await channel.post(a_call(f"http://127.0.0.1:{port}"))
    await channel.close()


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://10.1.2.3",
        "https://172.16.0.1",
        "https://192.168.1.1",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1",
        "https://0.0.0.0",
        "https://0/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://[::1]/",
        "https://[::]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://224.0.0.1/",
    ],
)
async def test_private_networks_are_out_of_reach(strict: WebhookChannel, url: str) -> None:
    with pytest.raises(WebhookUrlRefused):
        await strict.check(url)
    with pytest.raises((WebhookUrlRefused, ChannelUnavailable)):
        await strict.post(a_call(url))


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x",
        "ftp://example.org/x",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://user:password@example.org/",
        "https://example.org/#fragment",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://exa mple.org/",
        "https://example.org\\@127.0.0.1/",
        "https://example.org/\n",
        "https://ex\u00e4mple.org/",
        "https://[::1/",
        "javascript:alert(1)",
        "",
        "https://example.org/" + "x" * 2000,
    ],
)
async def test_what_is_no_web_address_is_refused(strict: WebhookChannel, url: str) -> None:
    with pytest.raises(WebhookUrlRefused):
        await strict.check(url)
    with pytest.raises(WebhookUrlRefused):
        await strict.post(a_call(url))


async def test_one_private_address_among_public_ones_is_too_many() -> None:
    channel = HttpWebhookChannel(
        5.0, ManualClock(NOW), addresses=lambda: NameServer(["93.184.216.34", "10.0.0.1"])
    )
    with pytest.raises(WebhookUrlRefused):
        await channel.check(f"https://{HOST}/")
    await channel.close()


async def test_a_name_that_turns_private_after_it_was_registered_is_not_reached(
    endpoint: HttpEndpoint,
) -> None:
    channel = HttpWebhookChannel(
        5.0,
        ManualClock(NOW),
        allow_http=True,
        addresses=lambda: NameServer(["93.184.216.34"], ["127.0.0.1"]),
    )
    url = f"http://{HOST}:{endpoint.port}/"
    await channel.check(url)
    with pytest.raises(WebhookUrlRefused):
        await channel.post(a_call(url))
    assert endpoint.had == []
    await channel.close()


async def test_a_name_that_nobody_knows_is_registered_and_not_reached(
    strict: WebhookChannel,
) -> None:
    url = "https://nobody.invalid/"
    await strict.check(url)
    with pytest.raises(ChannelUnavailable, match="no address"):
        await strict.post(a_call(url))


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What the server shows, a certificate of `hooks.example.org`; and what trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(file)
    return serving, ssl.create_default_context(cafile=str(file))


async def test_the_connection_goes_to_the_address_and_the_certificate_by_the_name(
    certificate: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    serving, trusting = certificate
    with HttpEndpoint(tls=serving) as endpoint:
        names: list[str | None] = []
        serving.sni_callback = lambda _socket, name, _context: names.append(name)
        channel = HttpWebhookChannel(
            5.0,
            ManualClock(NOW),
            allow_private=True,
            tls=trusting,
            addresses=lambda: NameServer(["127.0.0.1"]),
        )
        assert await channel.post(a_call(f"https://{HOST}:{endpoint.port}/x")) == Answered(200)
        assert endpoint.had[0].headers["host"] == f"{HOST}:{endpoint.port}"
        assert names == [HOST]
        # Another name at the same address has another certificate.
        with pytest.raises(ChannelUnavailable, match="certificate is not trusted"):
            await channel.post(a_call(f"https://other.example.org:{endpoint.port}/x"))
        await channel.close()
        distrusting = HttpWebhookChannel(
            5.0, ManualClock(NOW), allow_private=True, addresses=lambda: NameServer(["127.0.0.1"])
        )
        with pytest.raises(ChannelUnavailable, match="certificate is not trusted"):
            await distrusting.post(a_call(f"https://{HOST}:{endpoint.port}/x"))
        assert len(endpoint.had) == 1
        await distrusting.close()


async def test_an_address_that_does_not_answer_gives_way_to_the_next(
    endpoint: HttpEndpoint,
) -> None:
    channel = HttpWebhookChannel(
        5.0,
        ManualClock(NOW),
        allow_http=True,
        allow_private=True,
        # Nobody listens at the second address of loopback.
        addresses=lambda: NameServer(["127.0.0.2", "127.0.0.1"]),
    )
    assert await channel.post(a_call(f"http://{HOST}:{endpoint.port}/")) == Answered(200)
    await channel.close()


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_inside_an_ipv6_one_is_looked_at(address: object) -> None:
    assert is_public(f"::ffff:{address}") == is_public(f"{address}")


@given(st.text(max_size=20), st.datetimes(timezones=st.just(UTC)))
def test_no_header_can_be_forged_by_what_is_posted(text: str, moment: datetime) -> None:
    body = event("f1", "ALLOCATION_READY", moment, {"text": text}).encode()
    headers = WebhookCall("https://x", message_id("d1"), body, (new_secret(),)).headers(NOW)
    assert all("\n" not in value and "\r" not in value for value in headers.values())
    assert headers["webhook-id"].count(".") == 0
