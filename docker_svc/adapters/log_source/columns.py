"""Lines on their way from a source to the journal, gathered in columns."""

from __future__ import annotations

import struct

from docker_svc.ports.logs import CUT, Lines

_PART = struct.Struct("<BI")
MAX_LINE_BYTES = 16 * 1024
"""The most that can be asked to be kept of a line: engines hand out longer ones in pieces of it."""


class Columns:
    """Gathers lines until they are taken as a batch, and joins lines that come in pieces.

    A source with whole lines appends to the three columns itself; `piece` does what else there is.

    Attributes:
        times: of the gathered lines, nanoseconds since 1970 UTC.
        texts: their bytes, without line feeds.
        streams: one byte a line.
        size: about the bytes that are gathered; kept by the source.
        finished: how many of the gathered lines, the last ones, were made by `finish`.
        unlined: the times of pieces that made no line of their own.
        parts: of each stream, the beginning of a line whose end has not come yet.
        skipped: the streams whose line was cut, and whose rest is left out until it ends.
    """

    __slots__ = (
        "finished",
        "max_line",
        "parts",
        "size",
        "skipped",
        "streams",
        "texts",
        "times",
        "unlined",
    )

    def __init__(self, max_line: int) -> None:
        self.max_line = min(max_line, MAX_LINE_BYTES)
        self.times: list[int] = []
        self.texts: list[bytes] = []
        self.streams = bytearray()
        self.size = 0
        self.finished = 0
        self.unlined: list[int] = []
        self.parts: dict[int, bytes] = {}
        self.skipped: set[int] = set()

    def piece(self, time: int, text: bytes, stream: int) -> None:
        """Takes a piece of a line, or a long line; it ends with a line feed where the line does."""
        whole = text.endswith(b"\n")
        if whole:
            text = text[:-1]
        if stream in self.skipped:
            if whole:
                self.skipped.discard(stream)
            self.unlined.append(time)
            return
        text = self.parts.pop(stream, b"") + text
        if len(text) > self.max_line:
            if not whole:
                self.skipped.add(stream)
            self._line(time, _cut(text, self.max_line), stream | CUT)
        elif whole:
            self._line(time, text, stream)
        else:
            self.parts[stream] = text
            self.unlined.append(time)

    def finish(self, time: int) -> None:
        """Makes lines of what has begun: nothing more comes."""
        for stream, text in self.parts.items():
            self._line(time, text, stream)
            self.finished += 1
        self.parts.clear()
        self.skipped.clear()

    def _line(self, time: int, text: bytes, stream: int) -> None:
        self.times.append(time)
        self.texts.append(text)
        self.streams.append(stream)
        self.size += len(text)

    def take(self, count: int | None = None) -> Lines:
        """Takes the first `count` gathered lines out; all by default."""
        text = b"\n".join(self.texts[:count])
        if not text.isascii():
            try:
                text.decode()
            except UnicodeDecodeError:
                text = text.decode("utf-8", "replace").encode()
        lines = Lines(self.times[:count], text, bytes(self.streams[:count]))
        if count is None:
            self.times, self.texts, self.streams = [], [], bytearray()
            self.size = self.finished = 0
        else:
            del self.times[:count], self.texts[:count], self.streams[:count]
        return lines

    def drop(self, first: int) -> None:
        """Forgets the gathered lines from the one at place `first` on; none of them had pieces."""
        del self.times[first:], self.texts[first:], self.streams[first:]

    def clear(self) -> None:
        """Forgets everything."""
        self.__init__(self.max_line)  # type: ignore[misc]

    def pack(self) -> bytes:
        """What has begun, to be kept with the position; empty most of the time."""
        pieces = [_PART.pack(stream, len(text)) + text for stream, text in self.parts.items()]
        pieces += [_PART.pack(stream | CUT, 0) for stream in self.skipped]
        return b"".join(pieces)

    def unpack(self, kept: bytes) -> None:
        """Goes on with what `pack` gave."""
        self.clear()
        at = 0
        while at < len(kept):
            stream, length = _PART.unpack_from(kept, at)
            at += _PART.size
            if stream & CUT:
                self.skipped.add(stream & ~CUT)
            else:
                self.parts[stream] = kept[at : at + length]
            at += length


def _cut(text: bytes, length: int) -> bytes:
    """The beginning of a text, at most so many bytes, not in the middle of a character."""
    end = length
    while end > max(0, length - 4) and text[end] & 0xC0 == 0x80:
        end -= 1
    return text[:end]
