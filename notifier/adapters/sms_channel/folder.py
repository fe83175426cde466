"""Text messages as files in a folder: for an allocator that has no gateway yet, and for tests."""

from __future__ import annotations

import asyncio
import errno
import os
import re
from pathlib import Path

from notifier.domain.faults import ChannelUnavailable, MessageRefused
from notifier.domain.sms import Sms

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")


class FolderSmsChannel:
    """A SmsChannel that writes each message to a file, `<time>-<to>-<id>.txt`.

    It appears whole or not at all; the same message again replaces its file.

    Args:
        folder: where to; made with mode 0700 if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def send(self, sms: Sms) -> None:
        """Writes a message.

        Raises:
            ChannelUnavailable: it cannot be written now.
            MessageRefused: the number is none.
        """
        if _NUMBER.fullmatch(sms.to) is None:
            raise MessageRefused("A text message needs a number such as +4930123456.")
        await asyncio.to_thread(self._write, sms)

    async def close(self) -> None:
        """Does nothing: no connection is open."""

    def _write(self, sms: Sms) -> None:
        # With milliseconds, so that the names sort as the messages were written.
        time = f"{sms.date:%Y%m%dT%H%M%S}.{sms.date.microsecond // 1000:03d}"
        unique = re.sub(r"[^A-Za-z0-9-]", "_", sms.id)
        scratch = self.folder / f".{unique}.{os.getpid()}"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
                    file.write(sms.text)
                    file.flush()
                    os.fsync(file.fileno())
                for former in self.folder.glob(f"*-{unique}.txt"):
                    former.unlink(missing_ok=True)
                scratch.rename(self.folder / f"{time}-{sms.to}-{unique}.txt")
            finally:
                scratch.unlink(missing_ok=True)
        except OSError as error:
            reason = "DISK_FULL" if error.errno == errno.ENOSPC else None
            raise ChannelUnavailable(
                f"The message cannot be written to {self.folder}: {error.strerror}.", reason=reason
            ) from error
