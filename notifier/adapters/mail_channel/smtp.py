"""Mails over SMTP."""

from __future__ import annotations

import ssl

from notifier.adapters.mail_channel.message import message_of
from notifier.domain.faults import ChannelUnavailable, MailRefused
from notifier.domain.mail import Mail
from notifier.domain.mail_server import SmtpServer

_PERMANENT = 500


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
