"""What the reading of every kind of source has in common."""

from __future__ import annotations

import hashlib
import math
import selectors
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from docker_svc.adapters.log_source.columns import MAX_LINE_BYTES, Columns
from docker_svc.ports.logs import GapCause, JournalUnwritable, LogSink, LogSource, Run

INSTANCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """How lines and batches are bounded.

    Attributes:
        max_line: bytes; what is longer is cut. At most 16 KiB.
        batch_bytes: a batch of about so many bytes is told at once.
        batch_seconds: a smaller one once the batch before it is so old.
        first_retry: seconds until a source that is away is tried again; doubled each time,
        last_retry: up to so many.
    """

    max_line: int = MAX_LINE_BYTES
    batch_bytes: int = 128 * 1024
    batch_seconds: float = 0.010
    first_retry: float = 0.1
    last_retry: float = 5.0


class WarningLog(Protocol):
    """Where problems are written down; a structlog logger is one."""

    def warning(self, event: str, **values: object) -> object:
        """Takes a constant message and values."""
        ...


@dataclass(frozen=True, slots=True)
class Environment:
    """What a tail gets from the thread that it lives in.

    Attributes:
        selector: tails register sockets in it, with themselves as its `data`.
        sink: is told the lines.
        limits: of lines and batches.
        log: is told of problems.
        wake_at: has `tick` called at a monotonic time; the newest call replaces earlier ones.
        ended: is told that a tail has read everything there is.
        watch: has `ready` called when a file in a folder has changed, where the kernel tells.
        unwatch: ends that.
    """

    selector: selectors.BaseSelector
    sink: LogSink
    limits: SourceLimits
    log: WarningLog
    wake_at: Callable[[Tail, float], None]
    ended: Callable[[Tail], None]
    watch: Callable[[Tail, str], None]
    unwatch: Callable[[Tail], None]


def instance_tag(instance: str) -> bytes:
    """Twelve bytes that tell an instance from others, for positions."""
    return hashlib.blake2b(instance.encode(), digest_size=INSTANCE_BYTES).digest()


class Tail(ABC):
    """Reads one source to its end. Every method is called in the thread of the pump.

    Attributes:
        due: when `tick` is called next, as `time.monotonic()`; kept by the pump.
        is_ended: whether everything has been read.
    """

    start_margin_ns: ClassVar[int] = 0

    def __init__(
        self, environment: Environment, allocation: str, run: Run, source: LogSource
    ) -> None:
        self.allocation = allocation
        self.source = source
        self.due = math.inf
        self.is_ended = False
        self._env = environment
        self._run = run
        self._next_run: tuple[int, Run] | None = None
        if source.started_ns and run.incarnation > 1:
            # What is read of the time before was written by the run before.
            self._run = Run(run.generation, run.incarnation - 1)
            self._next_run = (source.started_ns - self.start_margin_ns, run)
        self._columns = Columns(environment.limits.max_line)
        self._told = 0.0
        self._retry = environment.limits.first_retry
        self._superseded = False
        self._journal_failed = False

    @abstractmethod
    def start(self, now: float) -> bool:
        """Begins, or begins again after the end: the program was started again."""

    @abstractmethod
    def ready(self, now: float) -> bool:
        """Its socket can be read or written; whether much was read."""

    @abstractmethod
    def tick(self, now: float) -> bool:
        """Its time has come."""

    @abstractmethod
    def _position(self) -> bytes:
        """The position behind every line that was taken from the columns."""

    @abstractmethod
    def _account(self, times: Sequence[int]) -> None:
        """Moves the position behind what came at these times."""

    @abstractmethod
    def _release(self) -> None:
        """Closes what is open, and forgets what the sink was not told."""

    def update(self, now: float, run: Run, source: LogSource) -> bool:
        """The runtime says again what runs, and how."""
        was_ended = self.is_ended
        same_run = run == (self._next_run[1] if self._next_run else self._run)
        self.source = source
        if not same_run:
            if self.is_ended or not source.started_ns:
                self.flush(now)
                self._run, self._next_run = run, None
            else:
                self._next_run = (source.started_ns - self.start_margin_ns, run)
        if was_ended:
            if same_run and not source.running:
                self._env.sink.ended(self.allocation, source.instance)
                return False
            self.is_ended = False
            return self.start(now)
        return False

    def supersede(self, now: float) -> bool:
        """Another instance has taken the place of this one: read to the end, and end."""
        self._superseded = True
        return self.update(now, self._run, self.source)

    def close(self, now: float) -> bool:
        """Tells what was read, and reads no more."""
        self.flush(now)
        self._release()
        return False

    def again(self, now: float, *, progress: bool = False) -> None:
        """Lets go, and tries again after a while."""
        self._release()
        limits = self._env.limits
        if progress:
            self._retry = limits.first_retry
        self._env.wake_at(self, now + self._retry)
        self._retry = min(self._retry * 2, limits.last_retry)

    def flush(self, now: float) -> bool:
        """Tells the sink what was gathered.

        Returns:
            Whether the sink has it. If not, the source is read again from where the sink is.
        """
        columns = self._columns
        if not columns.times:
            return True
        self._told = now
        try:
            if self._next_run is not None:
                self._flush_before(*self._next_run)
            if columns.times:
                self._tell(None)
        except JournalUnwritable as problem:
            self._unwritable(now, problem)
            return False
        return True

    def _flush_before(self, started: int, run: Run) -> None:
        """Tells the lines that are older than the next run of the program, if it has begun."""
        times = self._columns.times
        count = next((n for n, time in enumerate(times) if time >= started), None)
        if count is None:
            return
        if count:
            self._tell(count)
        self._run, self._next_run = run, None

    def _tell(self, count: int | None) -> None:
        finished = self._columns.finished if count is None else 0
        lines = self._columns.take(count)
        accounted = lines.times[: len(lines.times) - finished]
        if accounted:
            self._account(accounted)
        if count is None and self._columns.unlined:
            self._account(self._columns.unlined)
            self._columns.unlined.clear()
        self._env.sink.lines(self.allocation, self._run, lines, self._position())
        self._journal_failed = False

    def _gap(self, now: float, cause: GapCause = GapCause.ROTATED) -> bool:
        """Tells the sink that lines are not to be had from the source; whether it has taken that."""
        why = GapCause.JOURNAL_FAULT if self._journal_failed else cause
        try:
            self._env.sink.gap(self.allocation, why, self._position())
        except JournalUnwritable as problem:
            self._unwritable(now, problem)
            return False
        return True

    def _unwritable(self, now: float, problem: JournalUnwritable) -> None:
        # The source keeps what the journal cannot: it is read again once there is space.
        if not self._journal_failed:
            self._env.log.warning(
                "log not kept", allocation=self.allocation, problem=problem.message
            )
        self._journal_failed = True
        self.again(now)

    def _end(self, now: float) -> None:
        """Everything was read."""
        self._finish()
        if not self.flush(now):
            return
        self._release()
        self.is_ended = True
        self._env.wake_at(self, math.inf)
        self._env.sink.ended(self.allocation, self.source.instance)
        self._env.ended(self)

    @abstractmethod
    def _finish(self) -> None:
        """Makes lines of what has begun, where the source does not end its last line."""
