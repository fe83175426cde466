"""Mails as files in a folder: for an allocator that has no mail server yet, and for tests."""

from __future__ import annotations

import asyncio
import errno
import os
import re
from pathlib import Path

from notifier.adapters.mail_channel.message import message_of
from notifier.domain.faults import ChannelUnavailable
from notifier.domain.mail import Mail

_NAME_LENGTH = 100


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
        await asyncio.to_thread(self._write, mail)

    def _write(self, mail: Mail) -> None:
        content = message_of(mail, self._sender).as_bytes()
        # With milliseconds, so that the names sort as the mails were written.
        time = f"{mail.date:%Y%m%dT%H%M%S}.{mail.date.microsecond // 1000:03d}"
        to = re.sub(r"[^A-Za-z0-9@._+-]", "_", mail.to)[:_NAME_LENGTH]
        unique = re.sub(r"[^A-Za-z0-9-]", "_", mail.id)
        scratch = self.folder / f".{unique}.{os.getpid()}"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                for former in self.folder.glob(f"*-{unique}.eml"):
                    former.unlink(missing_ok=True)
                scratch.rename(self.folder / f"{time}-{to}-{unique}.eml")
            finally:
                scratch.unlink(missing_ok=True)
        except OSError as error:
            reason = "DISK_FULL" if error.errno == errno.ENOSPC else None
            raise ChannelUnavailable(
                f"The mail cannot be written to {self.folder}: {error.strerror}.", reason=reason
            ) from error
