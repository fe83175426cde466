"""Text messages, as their port promises them: into a folder, and through gateways over HTTP."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from chassis.clock import ManualClock
from notifier.adapters.sms_channel.folder import FolderSmsChannel
from notifier.adapters.sms_channel.http import HttpSmsChannel
from notifier.adapters.sms_channel.twilio import TwilioSmsChannel
from notifier.domain.faults import ChannelUnavailable, MessageRefused
from notifier.domain.sms import Sms
from notifier.domain.sms_gateway import (
    HttpGateway,
    TwilioGateway,
    filled,
    read_fields,
    read_sms_url,
)
from notifier.ports import SmsChannel
from tests.http_endpoint import Asked, HttpEndpoint, Reply

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACCOUNT = "AC" + "0" * 32
TOKEN = "t0ken"

Arrived = Callable[[], list[tuple[str, str]]]


def an_sms(to: str = "+4930123456", text: str = "Grüße 🦊: 123456 & more") -> Sms:
    """A message with letters from everywhere."""
    return Sms(str(uuid.uuid4()), to, text, NOW)


def as_twilio(asked: Asked) -> Reply:
    """Answers as the Messages API does: it checks the account, the password and the form."""
    entered = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    if asked.headers.get("authorization") != f"Basic {entered}":
        return error(401, 20003, "Authenticate")
    if (asked.method, asked.path) != ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"):
        return error(404, 20404, "The requested resource was not found")
    if asked.headers["content-type"] != "application/x-www-form-urlencoded":
        return error(400, 21602, "Message body is required.")
    form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
    if not form.get("Body"):
        return error(400, 21602, "Message body is required.")
    if len(form["Body"]) > 1600:
        return error(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
    if bool(form.get("From")) == bool(form.get("MessagingServiceSid")):
        return error(400, 21603, "A 'From' phone number is required.")
    if not form.get("To", "").startswith("+") or not form["To"][1:].isdigit():
        return error(400, 21211, f"Invalid 'To' Phone Number: {form.get('To')}")
    made = {"sid": "SM" + "1" * 32, "status": "queued", "to": form["To"], "body": form["Body"]}
    return Reply(201, {"Content-Type": "application/json"}, json.dumps(made).encode())


def error(status: int, code: int, message: str) -> Reply:
    """An error as Twilio tells it."""
    said = {"code": code, "message": message, "status": status}
    return Reply(status, {"Content-Type": "application/json"}, json.dumps(said).encode())


def as_gateway(asked: Asked) -> Reply:
    """Answers as a gateway that takes JSON and a token."""
    if asked.headers.get("authorization") != f"Bearer {TOKEN}":
        return Reply(401)
    said = json.loads(asked.body)
    if not said["to"].startswith("+") or not said["to"][1:].isdigit():
        return Reply(422)
    return Reply(202)


@pytest.fixture
def endpoint() -> Iterator[HttpEndpoint]:
    """A gateway."""
    with HttpEndpoint() as started:
        yield started


def twilio_at(
    endpoint: HttpEndpoint, token: str = TOKEN, sender: str = "+15005550006"
) -> SmsChannel:
    """The adapter for Twilio, in front of the test's own server."""
    gateway = TwilioGateway(endpoint.url, ACCOUNT, ACCOUNT, token, sender)
    return TwilioSmsChannel(gateway, 5.0, ManualClock(NOW))


def gateway_at(endpoint: HttpEndpoint, **changes: str) -> SmsChannel:
    """The adapter for gateways that take JSON, in front of the test's own server."""
    gateway = HttpGateway(endpoint.url + "/send", read_fields(""), "Allocator", token=TOKEN)
    chosen = {"token": TOKEN, **changes}
    gateway = HttpGateway(gateway.url, gateway.fields, gateway.sender, **chosen)
    return HttpSmsChannel(gateway, 5.0, ManualClock(NOW))


@pytest.fixture(params=["folder", "twilio", "gateway"])
async def channel(
    request: pytest.FixtureRequest, tmp_path: Path, endpoint: HttpEndpoint
) -> AsyncIterator[tuple[SmsChannel, Arrived]]:
    """A channel, and the numbers and texts that have arrived through it."""
    opened: SmsChannel
    if request.param == "folder":
        folder = tmp_path / "sms"
        opened = FolderSmsChannel(folder)

        def arrived() -> list[tuple[str, str]]:
            files = sorted(folder.glob("*.txt"))
            return [
                ("+" + one.name.partition("+")[2].split("-")[0], one.read_text()) for one in files
            ]

    elif request.param == "twilio":
        endpoint.answer = as_twilio
        opened = twilio_at(endpoint)

        def arrived() -> list[tuple[str, str]]:
            forms = [parse_qs(one.body.decode()) for one in endpoint.had]
            return [(form["To"][0], form["Body"][0]) for form in forms]

    else:
        endpoint.answer = as_gateway
        opened = gateway_at(endpoint)

        def arrived() -> list[tuple[str, str]]:
            said = [json.loads(one.body) for one in endpoint.had]
            return [(one["to"], one["text"]) for one in said]

    yield opened, arrived
    await opened.close()


async def test_a_message_arrives_as_it_was_written(channel: tuple[SmsChannel, Arrived]) -> None:
    sends, arrived = channel
    first, second = an_sms(), an_sms(text='with "quotes" \\ and {to}')
    await sends.send(first)
    await sends.send(second)
    assert sorted(arrived()) == sorted([(first.to, first.text), (second.to, second.text)])


@pytest.mark.parametrize("to", ["0301234", "", "ada@example.org", "+49 30\n1"])
async def test_what_is_no_number_is_refused_for_good(
    channel: tuple[SmsChannel, Arrived], to: str
) -> None:
    sends, _ = channel
    with pytest.raises(MessageRefused):
        await sends.send(an_sms(to))


@pytest.fixture(params=["twilio", "gateway"])
async def over_http(
    request: pytest.FixtureRequest, endpoint: HttpEndpoint
) -> AsyncIterator[SmsChannel]:
    """A channel over HTTP."""
    opened = twilio_at(endpoint) if request.param == "twilio" else gateway_at(endpoint)
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, MessageRefused),
        (403, MessageRefused),
        (404, MessageRefused),
        (422, MessageRefused),
        (401, ChannelUnavailable),
        (408, ChannelUnavailable),
        (429, ChannelUnavailable),
        (500, ChannelUnavailable),
        (502, ChannelUnavailable),
        (503, ChannelUnavailable),
        (302, ChannelUnavailable),
    ],
)
async def test_the_status_decides_whether_it_is_tried_again(
    over_http: SmsChannel, endpoint: HttpEndpoint, status: int, fault: type[Exception]
) -> None:
    elsewhere = {"Location": f"{endpoint.url}/elsewhere"}
    endpoint.answer = lambda _asked: Reply(status, elsewhere if status == 302 else {})
    with pytest.raises(fault) as raised:
        await over_http.send(an_sms())
    assert f"{status}" in raised.value.message  # type: ignore[attr-defined]
    assert len(endpoint.had) == 1, "no redirect is followed, nothing is repeated here"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("17", 17),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30),
        ("Sun, 01 Mar 2020 12:00:30 GMT", 0),
        ("999999999", 3600),
        ("soon", None),
        ("-3", None),
        ("", None),
    ],
)
async def test_a_gateway_says_when_it_wants_to_be_asked_again(
    over_http: SmsChannel, endpoint: HttpEndpoint, said: str, seconds: float | None
) -> None:
    endpoint.answer = lambda _asked: Reply(429, {"Retry-After": said} if said else {})
    with pytest.raises(ChannelUnavailable) as busy:
        await over_http.send(an_sms())
    assert busy.value.retry_after == seconds


async def test_a_gateway_that_hangs_or_is_not_there_is_away(endpoint: HttpEndpoint) -> None:
    endpoint.answer = lambda _asked: Reply(hangs=True)
    hanging = TwilioSmsChannel(
        TwilioGateway(endpoint.url, ACCOUNT, ACCOUNT, TOKEN, "MG1"), 0.3, ManualClock(NOW)
    )
    with pytest.raises(ChannelUnavailable):
        await hanging.send(an_sms())
    await hanging.close()
    with HttpEndpoint() as gone:
        pass
    away = twilio_at(gone)
    with pytest.raises(ChannelUnavailable) as fault:
        await away.send(an_sms())
    assert "+4930123456" not in fault.value.message
    await away.close()


async def test_what_twilio_says_of_an_error_is_told_by_its_number_alone(
    endpoint: HttpEndpoint,
) -> None:
    endpoint.answer = as_twilio
    channel = twilio_at(endpoint)
    with pytest.raises(MessageRefused) as refused:
        await channel.send(an_sms("030123456"))
    assert "400 (error 21211)" in refused.value.message
    assert "030123456" not in refused.value.message
    await channel.close()
    wrong = twilio_at(endpoint, token="wrong")
    with pytest.raises(ChannelUnavailable) as not_let_in:
        await wrong.send(an_sms())
    assert "401 (error 20003)" in not_let_in.value.message
    await wrong.close()


async def test_twilio_is_told_the_sender_or_the_messaging_service(endpoint: HttpEndpoint) -> None:
    endpoint.answer = as_twilio
    for sender, field in (("+15005550006", "From"), ("MG" + "2" * 32, "MessagingServiceSid")):
        channel = twilio_at(endpoint, sender=sender)
        await channel.send(an_sms(text="x" * 2000))
        form = parse_qs(endpoint.had[-1].body.decode())
        assert form[field] == [sender]
        assert form["Body"] == ["x" * 1600]
        await channel.close()


@pytest.mark.parametrize(
    "body", [b"", b"[1]", b"{", b'{"code": "text"}', b'"x"', b"\xff", b"[" * 30_000]
)
async def test_an_answer_may_say_anything(
    over_http: SmsChannel, endpoint: HttpEndpoint, body: bytes
) -> None:
    endpoint.answer = lambda _asked: Reply(400, body=body)
    with pytest.raises(MessageRefused) as refused:
        await over_http.send(an_sms())
    assert refused.value.message.endswith("answered 400.")


async def test_the_same_message_has_the_same_key_at_a_gateway(endpoint: HttpEndpoint) -> None:
    channel = gateway_at(endpoint, token="", user="ada", password="p:w")
    sms = an_sms()
    await channel.send(sms)
    await channel.send(sms)
    assert [one.headers["idempotency-key"] for one in endpoint.had] == [sms.id] * 2
    entered = base64.b64encode(b"ada:p:w").decode()
    assert endpoint.had[0].headers["authorization"] == f"Basic {entered}"
    await channel.close()


async def test_the_same_message_again_is_one_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    channel = FolderSmsChannel(tmp_path / "sms")
    sms = an_sms()
    await channel.send(sms)
    await channel.send(Sms(sms.id, sms.to, sms.text, NOW + timedelta(seconds=9)))
    [file] = (tmp_path / "sms").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "sms").stat().st_mode & 0o777 == 0o700


async def test_a_folder_that_cannot_be_written_to_is_away(tmp_path: Path) -> None:
    (tmp_path / "sms").write_text("a file where the folder should be")
    with pytest.raises(ChannelUnavailable):
        await FolderSmsChannel(tmp_path / "sms").send(an_sms())


def test_an_sms_url_is_read() -> None:
    assert read_sms_url("file:///var/sms%20sent") == Path("/var/sms sent")
    assert read_sms_url(f"twilio://{ACCOUNT}:t%2Fk@api.twilio.com", sender="MG1") == TwilioGateway(
        "https://api.twilio.com", ACCOUNT, ACCOUNT, "t/k", "MG1"
    )
    with_key = read_sms_url(f"twilio://SK1:secret@api.twilio.com?account={ACCOUNT}", sender="+1")
    assert with_key == TwilioGateway("https://api.twilio.com", ACCOUNT, "SK1", "secret", "+1")
    here = read_sms_url(f"twilio://{ACCOUNT}:x@127.0.0.1:99?tls=no", sender="+1")
    assert here == TwilioGateway("http://127.0.0.1:99", ACCOUNT, ACCOUNT, "x", "+1")
    fields = '{"messages": [{"dst": "{to}", "body": "{text}", "n": 1}]}'
    read = read_sms_url("https://gw/send", fields=fields, token="t")
    assert read == HttpGateway("https://gw/send", json.loads(fields), token="t")
    assert isinstance(read_sms_url("http://gw.internal/send"), HttpGateway)


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("ftp://gw", {}),
        ("https://", {}),
        ("https://ada:pw@gw/send", {}),
        ("http://gw/send", {"token": "t"}),
        ("http://gw/send", {"user": "u", "password": "p"}),
        ("https://gw/send", {"user": "u"}),
        ("https://gw/send", {"user": "u", "password": "p", "token": "t"}),
        ("https://gw/send", {"fields": "[]"}),
        ("https://gw/send", {"fields": '{"to": "{to}"}'}),
        ("https://gw/send", {"fields": '{"to": "{to}", "text": "{text}", "x": "{secret}"}'}),
        ("https://gw/send", {"fields": "{"}),
        ("https://gw/send", {"fields": "[" * 3000}),
        ("twilio://AC1:t@api.twilio.com", {}),
        ("twilio://SK1:t@api.twilio.com", {"sender": "+1"}),
        ("twilio://AC1@api.twilio.com", {"sender": "+1"}),
        ("twilio://AC1:t@api.twilio.com?x=1", {"sender": "+1"}),
        ("twilio://AC1:t@api.twilio.com?tls=no", {"sender": "+1"}),
        ("twilio://AC1:t@api.twilio.com/path", {"sender": "+1"}),
        ("file://host/sms", {}),
        ("file:///", {}),
    ],
)
def test_an_sms_url_that_is_none_is_refused(url: str, settings: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"SMS|Twilio|TLS"):
        read_sms_url(url, **settings)


def test_what_a_value_says_is_not_replaced_again() -> None:
    values = {"to": "{text}", "text": "{id}", "from": "", "id": "7"}
    template = {"a": ["{to}", {"b": "{text}{text}"}], "c": 1, "d": None}
    assert filled(template, values) == {"a": ["{text}", {"b": "{id}{id}"}], "c": 1, "d": None}
