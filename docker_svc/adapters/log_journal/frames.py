"""Frames: how a journal's files hold records, so that damage is found and stepped over.

A frame is a header, the payload (a serialised `LogRecord`) and a trailer (the position in the
source). The header has a check sum of its own: where only the rest is damaged, it is still known
which numbers are lost. Where a header is damaged, the next one is found by its magic.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

MAGIC = b"\xff\xfeLR"  # no UTF-8 text has such bytes
LINES = 1
"""The kind of a frame: lines."""
GAP = 2
"""The kind of a frame: missing lines; its payload is the record of the gap."""
MARK = 3
"""The kind of a frame: a position alone. It takes no number; `last` is the newest one used."""

_HEADER = struct.Struct("<4sIIIHBBQQ")
_CHECKED = struct.Struct("<IIHBBQQ")
HEADER_BYTES = _HEADER.size
MAX_TRAILER_BYTES = 60_000


class Frame(NamedTuple):
    """A frame within a buffer.

    Attributes:
        kind: LINES, GAP or MARK.
        cause: of a GAP.
        first: the first number.
        last: the last number.
        start: where the frame begins in the buffer.
        payload: where its payload begins.
        trailer: where its trailer begins.
        end: where it ends.
        check: the check sum of payload and trailer.
    """

    kind: int
    cause: int
    first: int
    last: int
    start: int
    payload: int
    trailer: int
    end: int
    check: int

    def is_intact(self, buffer: bytes) -> bool:
        """Whether payload and trailer are what was written."""
        return zlib.crc32(memoryview(buffer)[self.payload : self.end]) == self.check


def framed(
    kind: int, first: int, last: int, payload: bytes, trailer: bytes, *, cause: int = 0
) -> tuple[bytes, bytes, bytes]:
    """A frame, as three pieces to be written one after another."""
    body_check = zlib.crc32(trailer, zlib.crc32(payload))
    checked = _CHECKED.pack(body_check, len(payload), len(trailer), kind, cause, first, last)
    return MAGIC + zlib.crc32(checked).to_bytes(4, "little") + checked, payload, trailer


def frames(buffer: bytes, start: int = 0) -> Iterator[Frame]:
    """The whole frames of a buffer in order; damaged headers are stepped over.

    Ends at a frame of which the buffer has only a part, and where a header is damaged with none
    behind it. Payloads are not looked at.
    """
    unpack = _HEADER.unpack_from
    at, size = start, len(buffer)
    while at + HEADER_BYTES <= size:
        magic, check, body_check, length, trailing, kind, cause, first, last = unpack(buffer, at)
        if magic != MAGIC or zlib.crc32(buffer[at + 8 : at + HEADER_BYTES]) != check:
            at = buffer.find(MAGIC, at + 1)
            if at < 0:
                return
            continue
        payload = at + HEADER_BYTES
        trailer = payload + length
        end = trailer + trailing
        if end > size:
            return
        yield Frame(kind, cause, first, last, at, payload, trailer, end, body_check)
        at = end
