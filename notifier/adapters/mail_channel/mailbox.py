"""Mails as files in a folder: for an allocator that has no mail server yet, and for tests."""

from __future__ import annotations

from pathlib import Path

from notifier.adapters.mail_channel.message import message_of
from notifier.adapters.message_files import write_message
from notifier.domain.mail import Mail


class MailboxMailChannel:
    """A MailChannel that writes each mail to a file, `<time>-<to>-<id>.eml`.

    Any mail program opens it. It appears whole or not at all; the same mail again replaces its file.

    Args:
        folder: where to; made with mode 0700 if it is not there.
        sender: whom the mails come from.
    """

    def __init__(self, folder: Path, sender: str) -> None:
        self.folder = folder
        self._sender = sender

    async def send(self, mail: Mail) -> None:
        """Writes a mail.

        Raises:
            ChannelUnavailable: it cannot be written now.
            MailRefused: the address is none.
        """
        content = message_of(mail, self._sender).as_bytes()
        await write_message(
            self.folder,
            ".eml",
            identity=mail.id,
            date=mail.date,
            to=mail.to,
            content=content,
        )
