"""Mails over SMTP."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from notifier.adapters.mail_channel.message import message_of
from notifier.domain.faults import ChannelUnavailable, MailRefused
from notifier.domain.mail import Mail

_PORTS = {"smtp": 587, "smtps": 465}
_PERMANENT = 500
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
        raise ValueError("a mail URL is smtp://user:password@host:port or smtps://…")
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


class SmtpMailChannel:
    """A MailChannel over SMTP, with a connection for each mail: one-time codes are few.

    aiosmtplib is imported at the first mail.

    Args:
        server: where to.
        sender: whom the mails come from.
        timeout_seconds: for each step of the conversation.
        tls: whom to trust; by default the authorities of this host.
    """

    def __init__(
        self,
        server: SmtpServer,
        sender: str,
        timeout_seconds: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._sender = sender
        self._timeout_seconds = timeout_seconds
        self._tls = tls

    async def send(self, mail: Mail) -> None:
        """Sends a mail.

        Raises:
            ChannelUnavailable: the server is away, is busy, or does not let us in.
            MailRefused: the server refuses the mail or the address for good.
        """
        import aiosmtplib

        server = self._server
        message = message_of(mail, self._sender)
        try:
            await aiosmtplib.send(
                message,
                hostname=server.host,
                port=server.port,
                username=server.user or None,
                password=server.password or None,
                use_tls=server.implicit_tls,
                start_tls=server.start_tls,
                tls_context=self._tls,
                timeout=self._timeout_seconds,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            code = max((one.code for one in error.recipients), default=0)
            raise _refused(code, "the address") from error
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
            raise _refused(error.code, "the mail") from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            # Not its text: some servers repeat what was sent to them.
            raise ChannelUnavailable(
                f"The mail server {server.host}:{server.port} does not take mails: "
                f"{type(error).__name__}."
            ) from error


def _refused(code: int, what: str) -> MailRefused | ChannelUnavailable:
    said = f"The mail server answered {code} to {what}."
    return MailRefused(said) if code >= _PERMANENT else ChannelUnavailable(said)


def _is_here(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1")
