"""Where a mail server is, and who mails come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

_PORTS = {"smtp": 587, "smtps": 465}
_TLS_CHOICES = ("auto", "yes", "no")


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where a mail server is, and how to talk to it.

    Attributes:
        implicit_tls: whether the connection begins with TLS.
        start_tls: whether it changes to TLS before anything else: True to insist, False never, None
            where the server offers it.
    """

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    implicit_tls: bool = False
    start_tls: bool | None = None


def read_mail_url(url: str) -> SmtpServer | Path:
    """Where mails go, from its URL.

    Args:
        url: of a mail server, as `read_smtp_url` takes it; or `file:///folder`, where each mail
            becomes a file.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(url)
    if parts.scheme != "file":
        return read_smtp_url(url)
    if parts.netloc not in ("", "localhost") or parts.path in ("", "/") or parts.query:
        raise ValueError("the mail URL of a folder is file:///path/to/folder")
    return Path(unquote(parts.path))


def read_smtp_url(url: str) -> SmtpServer:
    """A mail server from its URL.

    Args:
        url: `smtp://user:password@host:587`, where TLS is used if the server offers it
            (`?starttls=yes` insists on it, `?starttls=no` leaves it out), or
            `smtps://user:password@host:465`, where the connection begins with it. A password is
            only ever sent over TLS, or to this host itself.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(url)
    options = parse_qs(parts.query, keep_blank_values=True)
    choice = options.pop("starttls", ["auto"])[-1]
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/"):
        raise ValueError("a mail URL is smtp://user:password@host:port, smtps://… or file:///…")
    if options or choice not in _TLS_CHOICES:
        raise ValueError("a mail URL has no option but starttls=auto, yes or no")
    start_tls = {"auto": None, "yes": True, "no": False}[choice]
    if parts.username and parts.scheme == "smtp" and not _is_here(parts.hostname):
        if start_tls is False:
            raise ValueError("a password is not sent without TLS; leave starttls=no out")
        start_tls = True
    return SmtpServer(
        host=parts.hostname,
        port=parts.port or _PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        implicit_tls=parts.scheme == "smtps",
        start_tls=False if parts.scheme == "smtps" else start_tls,
    )


def check_sender(sender: str) -> None:
    """Checks whom mails come from.

    Raises:
        ValueError: it is not one address.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    addresses = message["From"].addresses
    if len(addresses) != 1 or not addresses[0].domain or message["From"].defects:
        raise ValueError(f"{sender!r} is not a mail address such as Allocator <no-reply@host>")


def _is_here(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1")
