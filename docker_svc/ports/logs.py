"""Ports and values of the log path: from an instance to whoever reads its log.

A *source* is where an instance's lines come from; a `LogReader` reads the sources of this node, all
in one thread of its own, and tells a `LogSink`. A `LogJournal` keeps the lines, numbered, for good.

Lines travel in columns, and as bytes: whoever writes the journal encodes a batch once, in the form
of the contract (`LogRecord`), and nobody on the way to a client takes it apart again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Literal, NamedTuple, Protocol

from chassis.faults import NotFound, Unavailable

STDOUT = 1
"""The stream of a line: standard output."""
STDERR = 2
"""The stream of a line: standard error."""
CUT = 128
"""Added to the stream of a line that was longer than is kept."""


class LogNotFound(NotFound):
    """The allocation has no log."""

    reason = "LOG_NOT_FOUND"


class JournalUnwritable(Unavailable):
    """The journal's disk is full, or cannot be written."""

    reason = "DISK_FULL"


class ServiceStopping(Unavailable):
    """The service ends; another replica, or the next process, goes on."""

    reason = "SERVICE_STOPPING"


class GapCause(IntEnum):
    """Why lines are missing; the numbers are those of the contract's `LogGap.Cause`."""

    ROTATED = 1
    THROTTLED = 2
    RETENTION = 3
    SLOW_READER = 4
    JOURNAL_FAULT = 5
    NODE_LOST = 6


@dataclass(frozen=True, slots=True)
class LogSource:
    r"""Where the log of one instance is to be read.

    Attributes:
        kind: `docker`: the HTTP API of a container engine; `swarm`: that of a manager of a cluster,
            where the instance is a task; `file`: a file of JSON lines, each
            `{"log": "…\n", "stream": "stdout", "time": "…Z"}`, rotated by renaming it to `.1`.
        instance: what tells the instance from every other: the id of the container or the task, or
            the instance's own unique name. A restarted container keeps its id, and so its place in the log.
        address: the engine, `unix:///var/run/docker.sock` or `tcp://host:2375`; or the file's path.
        running: whether the program runs. Of a `docker` source it is but a hint, since the engine
            is asked; a `file` source is read for as long as it is true.
        started_ns: when this incarnation began, in nanoseconds since 1970 UTC: lines from then on
            carry its number. 0: from when the source is attached.
    """

    kind: Literal["docker", "swarm", "file"]
    instance: str
    address: str
    running: bool = True
    started_ns: int = 0


class Run(NamedTuple):
    """One run of an instance's program.

    Attributes:
        generation: of the instance.
        incarnation: of the run within it.
    """

    generation: int
    incarnation: int


class Lines(NamedTuple):
    """Some consecutive lines, in columns; at least one.

    Attributes:
        times: when each was written, in nanoseconds since 1970 UTC.
        text: UTF-8, the lines joined by line feeds, without one at the end.
        streams: one byte a line: STDOUT or STDERR, and CUT.
    """

    times: Sequence[int]
    text: bytes
    streams: bytes


class LogEntry(NamedTuple):
    """A piece of a log, as it is kept and sent.

    Attributes:
        first: the sequence number of its first line, or the first that is missing.
        last: of the last.
        payload: a serialised `LogRecord`.
        cause: why lines are missing, as `GapCause`; 0 for lines.
    """

    first: int
    last: int
    payload: bytes
    cause: int = 0


class Extent(NamedTuple):
    """How far a log goes.

    Attributes:
        first: the oldest number that is kept; one more than `last` when none is kept any more.
        last: the newest number; 0 for a log that never had a line.
    """

    first: int
    last: int


class LogJournal(Protocol):
    """Keeps the logs of allocations.

    Each allocation's lines are numbered from 1, without holes, for ever: across generations,
    restarts and the end of what is kept. One process at a time writes: the one whose `claim` has
    succeeded; any number may read meanwhile. What `append` has returned survives the end of the
    process by whatever signal; the end of the machine it survives once the system has written it
    (nothing waits for the disk), and what is lost then is read from the source again.

    Every method is synchronous and may touch the disk. `append` and `append_gap` are called by one
    thread, the others by any.
    """

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes."""
        ...

    @property
    def trouble(self) -> str | None:
        """What keeps the journal from being written, in a sentence; None while all is well."""
        ...

    def claim(self) -> bool:
        """Tries to become the process that writes; True if it is."""
        ...

    def append(self, allocation: str, run: Run, lines: Lines, position: bytes) -> LogEntry:
        """Numbers lines and keeps them, with the position in their source, both or neither.

        Args:
            allocation: `allocations/{allocation}`.
            run: who wrote the lines.
            lines: at least one.
            position: given back by `position`; opaque, at most 60,000 bytes.

        Raises:
            JournalUnwritable: nothing was kept, and no number was used.
        """
        ...

    def append_gap(self, allocation: str, count: int, cause: GapCause, position: bytes) -> LogEntry:
        """Writes down that lines are missing, under the next `count` numbers.

        Raises:
            JournalUnwritable: nothing was kept, and no number was used.
        """
        ...

    def position(self, allocation: str) -> bytes:
        """The position that was kept with the newest entry; empty for a log without one."""
        ...

    def extent(self, allocation: str) -> Extent | None:
        """How far a log goes; None where there is no log."""
        ...

    def read(
        self, allocation: str, cursor: int, *, max_bytes: int, max_lines: int = 0
    ) -> list[LogEntry]:
        """Reads from a cursor on: contiguous entries, the first of which begins at the cursor.

        What is not kept any more, or is damaged, comes as gaps. Nothing comes from a cursor beyond
        the end.

        Args:
            allocation: `allocations/{allocation}`.
            cursor: the first number wanted; 0 for the oldest kept.
            max_bytes: stops once so much was read; at least one entry comes.
            max_lines: stops after so many numbers; 0 for no such limit.
        """
        ...

    def search(
        self, allocation: str, cursor: int, run: Run, pattern: str, *, max_bytes: int
    ) -> tuple[bool, int]:
        """Whether a line of a run, from a cursor on, matches a regular expression.

        The expression is searched for in each line; its classes of characters are those of ASCII.

        Returns:
            Whether one does, and the cursor of the first line that was not looked at.
        """
        ...

    def cut(self, entry: LogEntry, first: int, last: int) -> LogEntry:
        """The part of an entry from one number to another, both within it."""
        ...

    def retire(self, allocation: str) -> None:
        """Tells that the allocation has been removed: its log goes when it is old enough."""
        ...

    def reinstate(self, allocation: str) -> None:
        """Takes `retire` back."""
        ...

    def sweep(self, now: datetime) -> None:
        """Lets go of what is older, or more, than is kept."""
        ...

    def close(self) -> None:
        """Closes files and gives the right to write back."""
        ...


class LogSink(Protocol):
    """What a reader tells; every method is called in the reader's thread, and returns quickly."""

    def position(self, allocation: str) -> bytes:
        """The position that came with the newest lines or gap; empty at the beginning."""
        ...

    def lines(self, allocation: str, run: Run, lines: Lines, position: bytes) -> None:
        """Takes lines.

        Raises:
            JournalUnwritable: they were not taken; the reader reads them again later.
        """
        ...

    def gap(self, allocation: str, cause: GapCause, position: bytes) -> None:
        """Takes a gap of unknown length.

        Raises:
            JournalUnwritable: it was not taken.
        """
        ...

    def ended(self, allocation: str, instance: str) -> None:
        """Takes that the log of an instance has been read to its end."""
        ...


class LogReader(Protocol):
    """Reads sources and tells a sink: each line of each source once, in order, without loss.

    A source is resumed from the position that the sink has, also by a later process. What the
    source has thrown away before it was read is told as a gap. A source that is away is tried
    again for ever. Sources of one allocation are read one after another, in the order of `begin`.
    """

    def start(self, sink: LogSink) -> None:
        """Begins to read."""
        ...

    def begin(self, allocation: str, run: Run, source: LogSource) -> None:
        """Reads a source; one that is read already goes on, with what has changed about it."""
        ...

    def end(self, allocation: str) -> None:
        """Reads no more of an allocation, and forgets it."""
        ...

    def stop(self) -> None:
        """Ends the reading of every source for good, and returns when it has ended."""
        ...
