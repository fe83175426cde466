"""Messages as files in a folder: for an allocator that has nobody yet to pass them on to."""

from __future__ import annotations

import asyncio
import errno
import os
import re
from datetime import datetime
from pathlib import Path

from notifier.domain.faults import ChannelUnavailable

_NAME_LENGTH = 100


async def write_message(
    folder: Path, suffix: str, *, identity: str, date: datetime, to: str, content: bytes
) -> None:
    """Writes a message to `<time>-<to>-<id><suffix>`; the same one again takes the place of its file.

    A file appears whole or not at all, and never goes before the one that takes its place is there.

    Args:
        folder: where to; made with mode 0700 if it is not there.
        suffix: of the file's name, with its dot.
        identity: of the message.
        date: when it was written.
        to: whom it is for.
        content: what is in the file.

    Raises:
        ChannelUnavailable: it cannot be written now.
    """
    # With milliseconds, so that the names sort as the messages were written.
    time = f"{date:%Y%m%dT%H%M%S}.{date.microsecond // 1000:03d}"
    addressee = re.sub(r"[^A-Za-z0-9@._+-]", "_", to)[:_NAME_LENGTH]
    unique = re.sub(r"[^A-Za-z0-9-]", "_", identity)
    scratch = folder / f".{unique}.{os.getpid()}"
    place = folder / f"{time}-{addressee}-{unique}{suffix}"
    try:
        await asyncio.to_thread(_write_whole, scratch, place, content)
        await asyncio.to_thread(_remove_others, place, f"*-{unique}{suffix}")
    except OSError as error:
        reason = "DISK_FULL" if error.errno == errno.ENOSPC else None
        raise ChannelUnavailable(
            f"The message cannot be written to {folder}: {error.strerror}.", reason=reason
        ) from error


def _write_whole(scratch: Path, place: Path, content: bytes) -> None:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.rename(place)
    finally:
        scratch.unlink(missing_ok=True)


def _remove_others(place: Path, pattern: str) -> None:
    for former in place.parent.glob(pattern):
        if former != place:
            former.unlink(missing_ok=True)
