"""The log of a process, from the file of JSON lines that its shim writes.

The shim appends; it rotates by renaming the file to `.1`, over an older one, and beginning anew. So
whoever has a file open reads it to its end whatever its name is by then.
"""

from __future__ import annotations

import calendar
import contextlib
import os
import struct
import zlib
from collections.abc import Sequence
from datetime import datetime

import orjson

from docker_svc.adapters.log_source.tail import (
    INSTANCE_BYTES,
    Environment,
    Tail,
    instance_tag,
)
from docker_svc.ports.logs import STDERR, STDOUT, LogSource, Run

_PLACE = struct.Struct(f"<c{INSTANCE_BYTES}sQQQI")
_MARKED = 64  # bytes at the beginning of a file that tell it from another with its inode
_HOT_SECONDS = 0.005
_IDLE_SECONDS = 0.2
_ENOUGH = 2048


class FileTail(Tail):
    """Reads the log of one process.

    New lines are looked for every 5 ms while there are some, when the kernel says that the file has
    changed, and else ever more rarely, down to every 0.2 s.
    """

    def __init__(
        self, environment: Environment, allocation: str, run: Run, source: LogSource
    ) -> None:
        super().__init__(environment, allocation, run, source)
        self._file = -1
        self._is_resumed = False
        self._inode = 0
        self._device = 0
        self._mark = 0
        self._offset = 0
        self._read_to = 0
        self._rest = b""
        self._pause = _HOT_SECONDS
        self._newest = 0
        self._second = ""
        self._second_ns = 0

    def start(self, now: float) -> bool:
        """Goes on where the journal ends."""
        self._release()
        self._env.watch(self, os.path.dirname(self.source.address))  # noqa: PTH120
        return self.tick(now)

    def update(self, now: float, run: Run, source: LogSource) -> bool:
        """See `Tail.update`."""
        hot = super().update(now, run, source)
        if not self.is_ended:
            self._env.wake_at(self, now)
        return hot

    def ready(self, now: float) -> bool:
        """The file has changed: reads it, unless it is to be looked at in a moment anyway."""
        if self.due - now <= _HOT_SECONDS:
            return False
        return self.tick(now)

    def tick(self, now: float) -> bool:
        """Reads what there is; whether it was much."""
        if self.is_ended:
            return False
        if not self._is_resumed and not self._resume(now):
            return False
        if self._file < 0 and not self._open_next():
            if self._is_over():
                self._end(now)
            else:
                self._rest_a_while(now)
            return False
        got = os.read(self._file, self._env.limits.batch_bytes)
        if got:
            self._read_to += len(got)
            self._take(got)
            if not self.flush(now):
                return False
            self._pause = _HOT_SECONDS
            self._env.wake_at(self, now + (0.0 if len(got) >= _ENOUGH else _HOT_SECONDS))
            return len(got) >= _ENOUGH
        self._at_end_of_file(now)
        return False

    def _rest_a_while(self, now: float) -> None:
        self._env.wake_at(self, now + self._pause)
        self._pause = min(self._pause * 1.5, _IDLE_SECONDS)

    def _is_over(self) -> bool:
        return self._superseded or not self.source.running

    def _at_end_of_file(self, now: float) -> None:
        present = _identity(self.source.address)
        if present in (None, (self._device, self._inode)):
            if present is not None and os.fstat(self._file).st_size < self._read_to:
                self._begin_file(self._file)  # emptied in place; not the shim's doing
            elif self._is_over():
                self._end(now)
                return
            self._rest_a_while(now)
            return
        if os.fstat(self._file).st_size > self._read_to:
            self._env.wake_at(self, now)  # written between the read and the renaming
            return
        older = _identity(self.source.address + ".1")
        was_renamed_once = older == (self._device, self._inode)
        os.close(self._file)
        self._file = -1
        if was_renamed_once:
            self._open(self.source.address)
        else:
            # Renamed twice since: whole files may have come and gone.
            self._open(self.source.address + ".1")
            if not self._gap(now):
                return
        self._env.wake_at(self, now)

    # Opening

    def _resume(self, now: float) -> bool:
        """Finds the place that the journal ends at; whether the journal could be told."""
        self._is_resumed = True
        position = self._env.sink.position(self.allocation)
        tag = instance_tag(self.source.instance)
        if len(position) < _PLACE.size or position[:1] != b"F" or position[1:13] != tag:
            self._open_next()
            return True
        _, _, device, inode, offset, mark = _PLACE.unpack_from(position)
        for path in (self.source.address, self.source.address + ".1"):
            if self._open(path) and (device, inode) == (self._device, self._inode):
                size = os.fstat(self._file).st_size
                if size >= offset and _mark_of(self._file, min(offset, _MARKED)) == mark:
                    os.lseek(self._file, offset, os.SEEK_SET)
                    self._offset = self._read_to = offset
                    self._mark = mark
                    self._columns.unpack(position[_PLACE.size :])
                    return True
        self._close_file()
        if not self._open_next():
            self._is_resumed = False  # nothing is there yet; looked at again when something is
            return True
        return self._gap(now)

    def _open_next(self) -> bool:
        """Opens the oldest file that there is."""
        return self._open(self.source.address + ".1") or self._open(self.source.address)

    def _open(self, path: str) -> bool:
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        self._close_file()
        self._begin_file(file)
        return True

    def _begin_file(self, file: int) -> None:
        found = os.fstat(file)
        os.lseek(file, 0, os.SEEK_SET)
        self._file, self._device, self._inode = file, found.st_dev, found.st_ino
        self._offset = self._read_to = 0
        self._mark = 0
        self._rest = b""

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    # Lines

    def _take(self, got: bytes) -> None:
        content = self._rest + got if self._rest else got
        *whole, self._rest = content.split(b"\n")
        columns = self._columns
        for line in whole:
            try:
                entry = orjson.loads(line)
                text = entry["log"].encode("utf-8", "replace")
                time = self._time(entry["time"])
            except (ValueError, KeyError, TypeError, AttributeError):
                # Half a line of a shim that was killed; nothing else writes there.
                self._env.log.warning("log file has a damaged line", allocation=self.allocation)
                continue
            stream = STDERR if entry.get("stream") == "stderr" else STDOUT
            if b"\n" in text[:-1]:
                for piece in text.removesuffix(b"\n").split(b"\n"):
                    columns.piece(time, piece + b"\n", stream)
            else:
                columns.piece(time, text, stream)
            self._newest = time
        columns.unlined.clear()
        self._offset = self._read_to - len(self._rest)

    def _time(self, text: str) -> int:
        """Nanoseconds since 1970 of `2026-11-20T12:00:00.123456789Z`, with any fraction or none."""
        second = text[:19]
        if second != self._second:
            moment = calendar.timegm(datetime.fromisoformat(second).timetuple())
            self._second, self._second_ns = second, moment * 1_000_000_000
        fraction = text[20:29].rstrip("Z")
        return self._second_ns + (int(fraction.ljust(9, "0")) if fraction else 0)

    # Of Tail

    def _position(self) -> bytes:
        if not self._mark and self._offset >= _MARKED:
            self._mark = _mark_of(self._file, _MARKED)
        mark = self._mark or _mark_of(self._file, self._offset)
        place = _PLACE.pack(
            b"F",
            instance_tag(self.source.instance),
            self._device,
            self._inode,
            self._offset,
            mark,
        )
        return place + self._columns.pack()

    def _account(self, times: Sequence[int]) -> None:
        """Nothing: the offset is the position."""

    def _finish(self) -> None:
        self._columns.finish(self._newest)

    def _release(self) -> None:
        self._env.unwatch(self)
        self._close_file()
        self._columns.clear()
        self._rest = b""
        self._is_resumed = False


def _identity(path: str) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        found = os.stat(path)  # noqa: PTH116 – by name, as often as there is nothing to read
        return found.st_dev, found.st_ino
    return None


def _mark_of(file: int, length: int) -> int:
    return zlib.crc32(os.pread(file, length, 0))
