"""The segment files of one allocation's log."""

from __future__ import annotations

import contextlib
import os
import threading
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from docker_svc.adapters.log_journal.frames import GAP, LINES, MARK, Frame, framed, frames
from docker_svc.adapters.log_journal.records import cut, gap_entry, merged
from docker_svc.ports.logs import Extent, GapCause, LogEntry

INDEX_BYTES = 64 * 1024
"""About how far apart, in a segment, the places are whose offset is remembered."""


class _Segment:
    """A file: frames from the number `first` on.

    Attributes:
        size: so many bytes count.
        scanned: so many are known to be whole frames, in a file that another process writes.
        length: of the file, once it is not written any more; 0 before.
        mark_seqs: the sparse index: numbers,
        mark_offsets: and where the frames are that begin with them.
    """

    __slots__ = ("first", "length", "mark_offsets", "mark_seqs", "path", "scanned", "size")

    def __init__(self, path: Path, first: int) -> None:
        self.path = path
        self.first = first
        self.size = 0
        self.scanned = 0
        self.length = 0
        self.mark_seqs: list[int] = []
        self.mark_offsets: list[int] = []

    def note(self, seq: int, offset: int) -> None:
        """Takes into the index that a frame which begins with `seq` is at `offset`."""
        if not self.mark_offsets or offset - self.mark_offsets[-1] >= INDEX_BYTES:
            self.mark_seqs.append(seq)
            self.mark_offsets.append(offset)

    def offset_before(self, seq: int) -> int:
        """An offset at which a frame begins that is not behind `seq`."""
        at = bisect_right(self.mark_seqs, seq) - 1
        return self.mark_offsets[at] if at >= 0 else 0


class _View(NamedTuple):
    """What was there when a read began."""

    segments: list[tuple[_Segment, int, int]]  # how large it is, offset to begin at
    first: int
    last: int


class AllocationLog:
    """One allocation's log in its folder: a file per segment, `<first number, 20 digits>.log`.

    The newest segment is scanned when it is opened, older ones when they are first read. One
    thread appends, any read.

    Args:
        folder: the allocation's; made at the first append.
        segment_bytes: a segment that is larger is followed by a new one.
        max_bytes: the oldest segments go while all together are larger.
        writable: whether this process is the one that writes: then an unfinished frame at the end,
            left by a process that was killed, is cut off.
    """

    def __init__(self, folder: Path, *, segment_bytes: int, max_bytes: int, writable: bool) -> None:
        self.folder = folder
        self.position = b""
        self._segment_bytes = segment_bytes
        self._max_bytes = max_bytes
        self._writable = writable
        self._lock = threading.Lock()  # what is known of the files
        self._writing = threading.Lock()  # the files: held by append, and by what goes
        self._segments: list[_Segment] = []
        self._last = 0
        self._file = -1
        self._list()
        for segment in reversed(self._segments):
            if self._scan(segment):  # one without a frame tells nothing but its first number
                break
        if self._segments:
            self._last = max(self._last, self._segments[-1].first - 1)
            if writable:
                self._open_newest()

    @property
    def extent(self) -> Extent | None:
        """How far it goes; None while there is no segment."""
        with self._lock:
            if not self._segments:
                return None
            return Extent(self._segments[0].first, self._last)

    def append(self, payload: bytes, count: int, position: bytes, cause: int = 0) -> None:
        """Keeps a record under the next `count` numbers.

        Raises:
            OSError: nothing was kept.
        """
        with self._writing:
            if not self._segments or self._segments[-1].size >= self._segment_bytes:
                self._add_segment()
            first = self._last + 1
            last = self._last + count
            self._write(
                framed(GAP if cause else LINES, first, last, payload, position, cause=cause)
            )
            with self._lock:
                self._last = last
                self.position = position

    @property
    def last(self) -> int:
        """The newest number."""
        return self._last

    def _write(self, pieces: tuple[bytes, bytes, bytes]) -> None:
        newest = self._segments[-1]
        length = sum(map(len, pieces))
        written = os.pwritev(self._file, pieces, newest.size)
        if written != length:
            # The disk is full: what was written of it counts for nothing, and goes if it can.
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, newest.size)
            raise OSError(28, os.strerror(28), str(newest.path))
        with self._lock:
            newest.note(self._last + 1, newest.size)
            newest.size += length

    def _add_segment(self) -> None:
        """Begins a segment, and lets go of the oldest ones that are too many."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        first = self._last + 1
        segment = _Segment(self.folder / f"{first:020d}.log", first)
        file = os.open(segment.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        if self._file >= 0:
            os.close(self._file)
        self._file = file
        with self._lock:
            self._segments.append(segment)
            size = sum(each.size for each in self._segments)
            gone = []
            while size > self._max_bytes and len(self._segments) > 1:
                gone.append(self._segments.pop(0))
                size -= gone[-1].size
        for each in gone:
            each.path.unlink(missing_ok=True)

    def drop_before(self, instant: float) -> None:
        """Lets go of segments that were last written before `instant`, seconds since 1970.

        The newest number and the position stay, in a mark of their own.

        Raises:
            OSError: the disk is full; nothing is gone.
        """
        with self._writing:
            old = []
            for segment in self._segments:
                with contextlib.suppress(FileNotFoundError):
                    if segment.path.stat().st_mtime >= instant:
                        break
                old.append(segment)
            if old and old[-1] is self._segments[-1]:
                if old[-1].first > self._last:
                    old.pop()  # a mark already
                else:
                    self._add_segment()
                    self._write(framed(MARK, self._last + 1, self._last, b"", self.position))
            with self._lock:
                self._segments = [each for each in self._segments if each not in old]
            for segment in old:
                segment.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Closes the file that is written."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    # Opening and following what another process writes

    def refresh(self) -> None:
        """Takes in what the process that writes has added, and has let go of."""
        with self._lock:
            known = len(self._segments)
            newest = self._segments[-1] if known else None
            self._list()
            at = self._segments.index(newest) if newest in self._segments else 0
            for segment in self._segments[at:]:
                self._scan(segment)
            if self._segments:
                self._last = max(self._last, self._segments[-1].first - 1)

    def _list(self) -> None:
        """Finds the segments; of those that are not written any more, every byte counts."""
        names = []
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            names = sorted(os.listdir(self.folder))  # noqa: PTH208 – names are all that it needs
        known = {segment.path.name: segment for segment in self._segments}
        segments = []
        for name in names:
            first, dot, kind = name.partition(".")
            if dot and kind == "log" and first.isascii() and first.isdigit():
                segments.append(known.get(name) or _Segment(self.folder / name, int(first)))
        for segment in segments[:-1]:
            if segment not in self._segments[:-1]:
                with contextlib.suppress(FileNotFoundError):
                    segment.size = segment.length = segment.path.stat().st_size
        self._segments = segments

    def _scan(self, segment: _Segment) -> bool:
        """Reads what is not known yet of a segment; whether it has a whole frame."""
        try:
            with segment.path.open("rb") as file:
                file.seek(segment.scanned)
                content = file.read()
        except FileNotFoundError:
            return False
        for frame in frames(content):
            intact = frame.is_intact(content)
            if not intact and frame.end == len(content):
                break  # the newest one, half of it on the disk when the machine ended
            segment.note(frame.first, segment.scanned + frame.start)
            self._last = max(self._last, frame.last)
            if intact:
                self.position = content[frame.trailer : frame.end]
            segment.size = segment.scanned + frame.end
        found = segment.size > segment.scanned
        segment.scanned = segment.size
        segment.size = max(segment.size, segment.length)
        return found or segment.scanned > 0

    def _open_newest(self) -> None:
        newest = self._segments[-1]
        self._file = os.open(newest.path, os.O_RDWR | os.O_CLOEXEC)
        os.ftruncate(self._file, newest.size)

    # Reading

    def read(self, cursor: int, max_bytes: int, max_lines: int) -> list[LogEntry]:
        """Contiguous entries from `cursor` on; 0 is the oldest. See `LogJournal.read`."""
        view = self._view(cursor)
        if view is None:
            return []
        expected = cursor or view.first
        end = view.last if not max_lines else min(view.last, expected + max_lines - 1)
        entries: list[LogEntry] = []
        taken = 0
        cause = GapCause.JOURNAL_FAULT

        def lost(until: int, cause: GapCause) -> None:
            nonlocal expected
            if min(until, end) >= expected:
                entries.append(gap_entry(expected, min(until, end), cause))
                expected = min(until, end) + 1

        lost(view.first - 1, GapCause.RETENTION)
        for segment, size, offset in view.segments:
            if expected > end or taken >= max_bytes:
                break
            lost(segment.first - 1, cause)
            try:
                file = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:  # let go of since
                cause = GapCause.RETENTION
                continue
            try:
                for frame, content, start in _frames_of(file, size, offset, max_bytes):
                    with self._lock:
                        segment.note(frame.first, start + frame.start)
                    if frame.kind == MARK or frame.last < expected:
                        continue
                    lost(frame.first - 1, cause)
                    if expected > end or taken >= max_bytes:
                        break
                    cause = GapCause.JOURNAL_FAULT
                    until = min(frame.last, end)
                    if not frame.is_intact(content):
                        lost(until, cause)
                        continue
                    payload = content[frame.payload : frame.trailer]
                    entry = LogEntry(frame.first, frame.last, payload, frame.cause)
                    entries.append(cut(entry, expected, until))
                    expected = until + 1
                    taken += len(payload)
            finally:
                os.close(file)
        if taken < max_bytes:
            lost(end, cause)
        return merged(entries)

    def _view(self, cursor: int) -> _View | None:
        with self._lock:
            if not self._segments or self._last < cursor:
                return None
            first = self._segments[0].first
            start = max(cursor, first)
            if start > self._last:
                return _View([], self._last + 1, self._last) if cursor else None
            at = bisect_right([segment.first for segment in self._segments], start) - 1
            segments = [
                (each, each.size, each.offset_before(start) if not n else 0)
                for n, each in enumerate(self._segments[at:])
            ]
            return _View(segments, first, self._last)


def _frames_of(file: int, size: int, offset: int, about: int) -> Iterator[tuple[Frame, bytes, int]]:
    """The frames of an open segment from an offset on, read in pieces of `about` so many bytes.

    Yields:
        The frame, the piece that it is in, and the offset of that piece.
    """
    wanted = about + INDEX_BYTES
    while offset < size:
        content = os.pread(file, min(wanted, size - offset), offset)
        if not content:
            return
        consumed = 0
        for frame in frames(content):
            yield frame, content, offset
            consumed = frame.end
        if not consumed:
            if offset + len(content) >= size:
                return  # damaged up to the end
            wanted *= 4  # a large frame, or a large damage
        offset += consumed
