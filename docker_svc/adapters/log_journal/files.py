"""The journal in files: a folder per allocation, a lock file beside them.

Writing never waits for the disk: what `append` has returned is in the system's page cache, which
outlives the process however it ends. When the machine itself ends, the newest seconds may be gone;
the position in the source is kept in the same frame as the lines, so what is gone is read from the
source again. An unfinished frame at the end is cut off when the journal is opened to be written.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from chassis.faults import Invalid
from docker_svc.adapters.log_journal.frames import MAX_TRAILER_BYTES
from docker_svc.adapters.log_journal.records import cut, gap_entry, has_match, lines_record
from docker_svc.adapters.log_journal.segments import AllocationLog
from docker_svc.ports.logs import (
    Extent,
    GapCause,
    JournalUnwritable,
    Lines,
    LogEntry,
    LogJournal,
    Run,
)

_ALLOCATION = re.compile(r"allocations/([a-z0-9]{4,32})")
_RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """How much is kept.

    Attributes:
        max_bytes: of one allocation's log.
        max_age: seconds since a segment was last written.
        total_bytes: of all logs; the ones of removed allocations go first, the oldest first.
        segment_bytes: what is let go of at once.
    """

    max_bytes: int = 64 * 1024 * 1024
    max_age: float = 14 * 86400.0
    total_bytes: int = 16 * 1024 * 1024 * 1024
    segment_bytes: int = 8 * 1024 * 1024


class FileLogJournal:
    """Adapter of `LogJournal`: see the module.

    Args:
        root: the folder of the journal; made if it is not there.
        limits: how much is kept.
    """

    def __init__(self, root: Path, limits: JournalLimits) -> None:
        self._root = root
        self._limits = limits
        self._logs: dict[str, AllocationLog] = {}
        self._lock = threading.Lock()
        self._claim = -1
        self._trouble: str | None = None
        root.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes."""
        return self._claim >= 0

    @property
    def trouble(self) -> str | None:
        """What keeps the journal from being written; None while all is well."""
        return self._trouble

    def claim(self) -> bool:
        """Tries to become the process that writes; the lock ends with the process."""
        if self.writes:
            return True
        file = os.open(self._root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        with self._lock:
            self._logs.clear()  # opened for reading; opened again, and mended, to be written
            self._claim = file
        return True

    def append(self, allocation: str, run: Run, lines: Lines, position: bytes) -> LogEntry:
        """See `LogJournal.append`."""
        log = self._to_write(allocation, position)
        first = log.last + 1
        payload = lines_record(first, run, lines)
        count = len(lines.times)
        self._append(log, payload, count, position)
        return LogEntry(first, first + count - 1, payload)

    def append_gap(self, allocation: str, count: int, cause: GapCause, position: bytes) -> LogEntry:
        """See `LogJournal.append_gap`."""
        log = self._to_write(allocation, position)
        entry = gap_entry(log.last + 1, log.last + count, cause)
        self._append(log, entry.payload, count, position, int(cause))
        return entry

    def _to_write(self, allocation: str, position: bytes) -> AllocationLog:
        if not self.writes:
            raise JournalUnwritable("Another process writes the journal.", retry_after=5)
        if len(position) > MAX_TRAILER_BYTES:
            raise ValueError("A position takes at most 60,000 bytes.")
        try:
            return self._log(allocation, keep=True)
        except OSError as problem:
            raise self._unwritable(problem) from problem

    def _append(
        self, log: AllocationLog, payload: bytes, count: int, position: bytes, cause: int = 0
    ) -> None:
        try:
            log.append(payload, count, position, cause)
        except OSError as problem:
            raise self._unwritable(problem) from problem
        self._trouble = None

    def _unwritable(self, problem: OSError) -> JournalUnwritable:
        words = problem.strerror or "it cannot be written"
        self._trouble = f"Logs cannot be kept in the data folder: {words}. Free space there."
        return JournalUnwritable(self._trouble, retry_after=5)

    def position(self, allocation: str) -> bytes:
        """See `LogJournal.position`."""
        return self._current(allocation).position

    def extent(self, allocation: str) -> Extent | None:
        """See `LogJournal.extent`."""
        return self._current(allocation).extent

    def read(
        self, allocation: str, cursor: int, *, max_bytes: int, max_lines: int = 0
    ) -> list[LogEntry]:
        """See `LogJournal.read`."""
        return self._current(allocation).read(cursor, max_bytes, max_lines)

    def search(
        self, allocation: str, cursor: int, run: Run, pattern: str, *, max_bytes: int
    ) -> tuple[bool, int]:
        """See `LogJournal.search`."""
        compiled = re.compile(pattern, re.ASCII)
        for entry in self.read(allocation, cursor, max_bytes=max_bytes):
            if has_match(entry, run, compiled):
                return True, entry.first
            cursor = entry.last + 1
        return False, cursor

    def cut(self, entry: LogEntry, first: int, last: int) -> LogEntry:
        """See `LogJournal.cut`."""
        return cut(entry, first, last)

    def _current(self, allocation: str) -> AllocationLog:
        log = self._log(allocation)
        if not self.writes:
            log.refresh()
        return log

    def _log(self, allocation: str, *, keep: bool = False) -> AllocationLog:
        with self._lock:
            log = self._logs.get(allocation)
            if log is None:
                log = AllocationLog(
                    self._folder(allocation),
                    segment_bytes=self._limits.segment_bytes,
                    max_bytes=self._limits.max_bytes,
                    writable=self.writes,
                )
                if keep or log.extent is not None:
                    self._logs[allocation] = log
            return log

    def _folder(self, allocation: str) -> Path:
        match = _ALLOCATION.fullmatch(allocation)
        if match is None:
            raise Invalid(f"{allocation!r} is not the name of an allocation.")
        return self._root / match[1]

    # What goes

    def retire(self, allocation: str) -> None:
        """See `LogJournal.retire`."""
        folder = self._folder(allocation)
        if self.writes and folder.is_dir():
            with contextlib.suppress(OSError):
                (folder / _RETIRED).touch(mode=0o600)

    def reinstate(self, allocation: str) -> None:
        """See `LogJournal.reinstate`."""
        if self.writes:
            (self._folder(allocation) / _RETIRED).unlink(missing_ok=True)

    def sweep(self, now: datetime) -> None:
        """See `LogJournal.sweep`."""
        if not self.writes:
            return
        oldest = now.timestamp() - self._limits.max_age
        retired: list[tuple[float, int, Path]] = []
        total = 0
        for folder in [each for each in self._root.iterdir() if each.is_dir()]:
            size = sum(each.stat().st_size for each in folder.glob("*.log"))
            with contextlib.suppress(FileNotFoundError):
                changed = (folder / _RETIRED).stat().st_mtime
                if changed < oldest:
                    self._remove(folder)
                    continue
                retired.append((changed, size, folder))
            total += size
            with contextlib.suppress(OSError, Invalid):
                self._log(f"allocations/{folder.name}").drop_before(oldest)
        for _, size, folder in sorted(retired):
            if total <= self._limits.total_bytes:
                break
            self._remove(folder)
            total -= size

    def _remove(self, folder: Path) -> None:
        with self._lock:
            log = self._logs.pop(f"allocations/{folder.name}", None)
        if log is not None:
            log.close()
        shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """See `LogJournal.close`."""
        with self._lock:
            for log in self._logs.values():
                log.close()
            self._logs.clear()
        if self._claim >= 0:
            os.close(self._claim)
            self._claim = -1


def open_file_journal(root: Path, limits: JournalLimits | None = None) -> LogJournal:
    """Opens the journal in a folder, to be read; `claim` makes it the one that is written."""
    return FileLogJournal(root, limits or JournalLimits())
