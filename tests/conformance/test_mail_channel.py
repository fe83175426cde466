"""Mails, as their port promises them: into a folder, and through a real SMTP server."""

from __future__ import annotations

import email
import email.policy
import smtplib
import socket
import ssl
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from free_ports import free_port

from notifier.adapters.mail_channel.mailbox import MailboxMailChannel
from notifier.adapters.mail_channel.smtp import SmtpMailChannel
from notifier.domain.faults import ChannelUnavailable, MailRefused
from notifier.domain.mail import Mail
from notifier.domain.mail_server import SmtpServer, check_sender, read_mail_url, read_smtp_url
from notifier.ports import MailChannel

SENDER = "Allocator <no-reply@allocator.local>"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

Arrived = Callable[[], list[EmailMessage]]


def a_mail(to: str = "ada@example.org", subject: str = "123456 is your code") -> Mail:
    """A mail with letters from everywhere."""
    return Mail(str(uuid.uuid4()), to, subject, "Grüße 🦊\n\n.\n    123456\n", NOW)


class Inbox:
    """What an SMTP server was given; it answers as it is told to."""

    def __init__(self) -> None:
        self.had: list[bytes] = []
        self.answer_to_address = "250 OK"
        self.answer_to_mail = "250 OK"
        self.logins: list[LoginPassword] = []

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, _: Any
    ) -> str:
        """Takes an address."""
        if self.answer_to_address.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer_to_address

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Takes a mail."""
        if self.answer_to_mail.startswith("250"):
            assert len(envelope.rcpt_tos) == 1
            self.had.append(envelope.content)
        return self.answer_to_mail

    def authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, auth: Any
    ) -> AuthResult:
        """Lets one user in."""
        self.logins.append(auth)
        return AuthResult(success=auth == LoginPassword(b"ada", b"p@ss/word"))


@pytest.fixture
def inbox() -> Inbox:
    """An inbox that takes everything."""
    return Inbox()


@pytest.fixture
def smtp_server(inbox: Inbox) -> Iterator[Controller]:
    """A real SMTP server on loopback."""
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield controller
    controller.stop()


def parsed(raw: bytes) -> EmailMessage:
    """A mail as a mail program reads it."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


@pytest.fixture(params=["mailbox", "smtp"])
def channel(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[MailChannel, Arrived]:
    """A channel, and what has arrived through it."""
    if request.param == "mailbox":
        folder = tmp_path / "mailbox"

        def in_folder() -> list[EmailMessage]:
            return [parsed(file.read_bytes()) for file in sorted(folder.glob("*.eml"))]

        return MailboxMailChannel(folder, SENDER), in_folder
    inbox: Inbox = request.getfixturevalue("inbox")
    server: Controller = request.getfixturevalue("smtp_server")
    smtp = SmtpMailChannel(SmtpServer("127.0.0.1", server.port), SENDER, 5.0)
    return smtp, lambda: [parsed(raw) for raw in inbox.had]


async def test_a_mail_arrives_as_it_was_written(channel: tuple[MailChannel, Arrived]) -> None:
    sends, arrived = channel
    mail = a_mail(subject="Grüße 🦊")
    await sends.send(mail)
    [message] = arrived()
    assert message["To"] == "ada@example.org"
    assert message["From"] == SENDER
    assert message["Subject"] == "Grüße 🦊"
    assert message["Message-ID"] == f"<{mail.id}@allocator.local>"
    assert message["Date"].datetime == NOW
    assert message.get_content().replace("\r\n", "\n") == mail.text
    assert not message.defects


async def test_a_mail_with_html_says_the_same_in_both_ways(
    channel: tuple[MailChannel, Arrived],
) -> None:
    sends, arrived = channel
    html = "<!doctype html>\n<p>Grüße 🦊 " + "very long " * 200 + "</p>\n.\n"
    mail = replace(a_mail(), html=html)
    await sends.send(mail)
    [message] = arrived()
    assert message.get_content_type() == "multipart/alternative"
    assert message["Message-ID"] == f"<{mail.id}@allocator.local>"
    parts = [part.get_content_type() for part in message.iter_parts()]
    assert parts == ["text/plain", "text/html"], "the last one is what mail programs prefer"
    for kind, said in (("plain", mail.text), ("html", html)):
        part = message.get_body((kind,))
        assert part is not None
        assert part.get_content().replace("\r\n", "\n") == said
    assert not message.defects


@pytest.mark.parametrize(
    "hostile",
    [
        "hello\r\nBcc: eve@example.org",
        "hello\nBcc: eve@example.org",
        "hello\r\n\r\nbody",
        "x" * 5000,
    ],
)
async def test_a_subject_becomes_no_header(
    channel: tuple[MailChannel, Arrived], hostile: str
) -> None:
    sends, arrived = channel
    await sends.send(a_mail(subject=hostile))
    [message] = arrived()
    assert message["Bcc"] is None
    assert "".join(message["Subject"].split()) == "".join(hostile.split())
    assert message.get_content().startswith("Grüße")


@pytest.mark.parametrize(
    "address",
    [
        "ada@example.org\r\nBcc: eve@example.org",
        "ada@example.org, eve@example.org",
        "",
        "a b@c",
        "ada",
    ],
)
async def test_what_is_not_one_address_is_refused(
    channel: tuple[MailChannel, Arrived], address: str
) -> None:
    sends, arrived = channel
    with pytest.raises(MailRefused):
        await sends.send(a_mail(to=address))
    assert arrived() == []


@pytest.mark.parametrize("address", ["o'neil+tag@example.org", "a/b?c@example.org"])
async def test_odd_addresses_are_served(channel: tuple[MailChannel, Arrived], address: str) -> None:
    sends, arrived = channel
    await sends.send(a_mail(to=address))
    [message] = arrived()
    assert message["To"] == address


async def test_a_folder_that_cannot_be_written_to_is_away(tmp_path: Path) -> None:
    (tmp_path / "mailbox").write_text("a file where the folder should be")
    with pytest.raises(ChannelUnavailable):
        await MailboxMailChannel(tmp_path / "mailbox", SENDER).send(a_mail())


async def test_the_same_mail_again_is_one_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    channel = MailboxMailChannel(tmp_path / "mailbox", SENDER)
    mail = a_mail()
    await channel.send(mail)
    again = Mail(mail.id, mail.to, mail.subject, mail.text, NOW + timedelta(seconds=9))
    await channel.send(again)
    [file] = (tmp_path / "mailbox").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "mailbox").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("answer", "fault"), [("550 no such person", MailRefused), ("451 later", ChannelUnavailable)]
)
@pytest.mark.parametrize("to", ["address", "mail"])
async def test_what_a_server_says_decides_whether_it_is_tried_again(
    inbox: Inbox, smtp_server: Controller, answer: str, fault: type[Exception], to: str
) -> None:
    setattr(inbox, f"answer_to_{to}", answer)
    channel = SmtpMailChannel(SmtpServer("127.0.0.1", smtp_server.port), SENDER, 5.0)
    with pytest.raises(fault):
        await channel.send(a_mail())


async def test_a_server_that_is_not_there_is_away() -> None:
    channel = SmtpMailChannel(SmtpServer("127.0.0.1", free_port()), SENDER, 5.0)
    with pytest.raises(ChannelUnavailable):
        await channel.send(a_mail())


async def test_a_server_that_says_nothing_is_away() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        server = SmtpServer("127.0.0.1", silent.getsockname()[1])
        with pytest.raises(ChannelUnavailable):
            await SmtpMailChannel(server, SENDER, 0.2).send(a_mail())


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS for a server at 127.0.0.1, and for whoever trusts it."""
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(here, critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(file)
    trusting = ssl.create_default_context(cafile=str(file))
    return serving, trusting


@pytest.fixture
def secure_server(
    inbox: Inbox, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> Iterator[Controller]:
    """An SMTP server that takes mails of a user only, over TLS."""
    controller = Controller(
        inbox,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=contexts[0],
        require_starttls=True,
        auth_required=True,
        authenticator=inbox.authenticate,
    )
    controller.start()
    yield controller
    controller.stop()


async def test_a_password_is_sent_over_tls_only(
    inbox: Inbox, secure_server: Controller, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    url = f"smtp://ada:p%40ss%2Fword@127.0.0.1:{secure_server.port}?starttls=yes"
    await SmtpMailChannel(read_smtp_url(url), SENDER, 5.0, tls=contexts[1]).send(a_mail())
    assert len(inbox.had) == 1
    # Without trusting the server nothing is sent to it.
    with pytest.raises(ChannelUnavailable):
        await SmtpMailChannel(read_smtp_url(url), SENDER, 5.0).send(a_mail())
    assert len(inbox.logins) == 1


async def test_a_wrong_password_is_tried_again_because_somebody_may_correct_it(
    secure_server: Controller, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    url = f"smtp://ada:wrong@127.0.0.1:{secure_server.port}?starttls=yes"
    with pytest.raises(ChannelUnavailable) as away:
        await SmtpMailChannel(read_smtp_url(url), SENDER, 5.0, tls=contexts[1]).send(a_mail())
    assert "wrong" not in away.value.message


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.org", SmtpServer("mail.example.org", 587)),
        ("smtps://mail.example.org", SmtpServer("mail.example.org", 465, "", "", True, False)),
        (
            "smtp://u%40h:p%3Aw@mail.example.org:25",
            SmtpServer("mail.example.org", 25, "u@h", "p:w", False, True),
        ),
        (
            "smtp://u:p@localhost:1025",
            SmtpServer("localhost", 1025, "u", "p", False, None),
        ),
        ("smtp://[::1]:25?starttls=no", SmtpServer("::1", 25, "", "", False, False)),
    ],
)
def test_a_mail_url_is_read(url: str, server: SmtpServer) -> None:
    assert read_smtp_url(url) == server


def test_mails_may_go_into_a_folder() -> None:
    assert read_mail_url("file:///var/mail/sent%20ones") == Path("/var/mail/sent ones")
    assert read_mail_url("smtp://mail.example.org") == SmtpServer("mail.example.org", 587)


@pytest.mark.parametrize("url", ["file://host/mail", "file:///", "file:mail?x", "folder/mail"])
def test_a_folder_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="mail URL"):
        read_mail_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://mail.example.org",
        "smtp://",
        "mail.example.org:25",
        "smtp://h:port",
        "smtp://h/path",
        "smtp://h?starttls=perhaps",
        "smtp://h?tls=1",
        "smtp://u:p@mail.example.org?starttls=no",
    ],
)
def test_a_mail_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"mail URL|TLS|[Pp]ort"):
        read_smtp_url(url)


@pytest.mark.parametrize("sender", ["", "nobody", "a@b, c@d", "Allocator <no-reply>", "a@b@c"])
def test_a_sender_that_is_no_address_is_refused(sender: str) -> None:
    with pytest.raises(ValueError, match="mail address"):
        check_sender(sender)


def test_the_test_server_speaks_smtp(smtp_server: Controller) -> None:
    with smtplib.SMTP("127.0.0.1", smtp_server.port, timeout=5) as client:
        assert client.noop()[0] == 250
