"""The frames in which an engine sends pieces of a log: stream, length, then the text with its time."""

from __future__ import annotations

import calendar
import struct
from datetime import datetime

from docker_svc.adapters.log_source.columns import Columns

_FRAME = struct.Struct(">B3xI19sx9s")  # stream, length; of the text: its second, its nanoseconds
_HEAD = 8
_STAMP = 31  # "2026-11-20T12:00:00.123456789Z "
_BEGIN = _HEAD + _STAMP
_PIECE = 16 * 1024  # the engine breaks lines that are longer, and no others
_LONGEST = 1024 * 1024  # no engine sends a longer piece; what claims to be one is something else


class EngineFrames:
    """Reads frames, and takes lines out of them into columns.

    Args:
        columns: where lines are gathered.

    Attributes:
        has_pieces: whether what was taken last were not all whole lines.
    """

    __slots__ = ("_columns", "_second", "_second_ns", "has_pieces")

    def __init__(self, columns: Columns) -> None:
        self.has_pieces = False
        self._columns = columns
        self._second = b""
        self._second_ns = 0

    def time_at(self, content: bytes, at: int) -> int | None:
        """When the piece of the frame at a place was written; None if not so much is there yet.

        Returns:
            Nanoseconds since 1970 UTC.

        Raises:
            ValueError: it is not what an engine sends.
        """
        if len(content) - at < _BEGIN:
            return None
        _, _, stamp, nanos = _FRAME.unpack_from(content, at)
        return self._moment(stamp, nanos)

    def step(self, content: bytes, at: int) -> tuple[int, int] | None:
        """Where the frame at a place ends, and its time; None if it is not all there yet.

        Raises:
            ValueError: it is not what an engine sends.
        """
        if len(content) - at < _BEGIN:
            return None
        _, length, stamp, nanos = _FRAME.unpack_from(content, at)
        stop = at + _HEAD + length
        if stop > len(content):
            return None
        return stop, self._moment(stamp, nanos)

    def _moment(self, stamp: bytes, nanos: bytes) -> int:
        if stamp != self._second:
            self._second, self._second_ns = stamp, _seconds(stamp) * 1_000_000_000
        return self._second_ns + int(nanos)

    def take(self, content: bytes, at: int) -> int:
        """Takes lines from a place on into the columns; how far it came.

        Raises:
            ValueError: it is not what an engine sends.
        """
        # The hottest loop of the product: half a microsecond a line.
        columns = self._columns
        self.has_pieces = False
        unpack, second, second_ns = _FRAME.unpack_from, self._second, self._second_ns
        add_time, add_text = columns.times.append, columns.texts.append
        add_stream, irregular = columns.streams.append, columns.parts or columns.skipped
        longest, end = columns.max_line + _STAMP + 1, len(content)
        while end - at >= _HEAD + _STAMP:
            stream, length, stamp, nanos = unpack(content, at)
            stop = at + _HEAD + length
            if stop > end:
                if length > _LONGEST:
                    raise ValueError
                break
            if stamp != second:
                second, second_ns = stamp, _seconds(stamp) * 1_000_000_000
            if irregular or length > longest or content[stop - 1] != 10:
                if not 1 <= stream <= 2:
                    raise ValueError
                text = content[at + _HEAD + _STAMP : stop]
                if len(text) < _PIECE and not text.endswith(b"\n"):
                    text += b"\n"  # the last of a program, which did not end its line
                columns.piece(second_ns + int(nanos), text, stream)
                self.has_pieces = True
                irregular = columns.parts or columns.skipped
            else:
                add_time(second_ns + int(nanos))
                add_text(content[at + _HEAD + _STAMP : stop - 1])
                add_stream(stream)
            at = stop
        self._second, self._second_ns = second, second_ns
        return at


def _seconds(stamp: bytes) -> int:
    """Seconds since 1970 of `2026-11-20T12:00:00`."""
    return calendar.timegm(datetime.fromisoformat(stamp.decode("ascii")).timetuple())
