"""Text messages as files in a folder: for an allocator that has no gateway yet, and for tests."""

from __future__ import annotations

import re
from pathlib import Path

from notifier.adapters.message_files import write_message
from notifier.domain.faults import MessageRefused
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
        await write_message(
            self.folder,
            ".txt",
            identity=sms.id,
            date=sms.date,
            to=sms.to,
            content=sms.text.encode("utf-8", errors="replace"),
        )

    async def close(self) -> None:
        """Does nothing: no connection is open."""
