"""Logs: read once from each instance, kept, and handed to whoever follows."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from chassis.clock import Clock
from chassis.faults import Invalid
from docker_svc.ports.logs import (
    Extent,
    GapCause,
    Lines,
    LogEntry,
    LogJournal,
    LogNotFound,
    LogReader,
    LogSource,
    Run,
    ServiceStopping,
)
from docker_svc.usecases.log_topics import Topics

T = TypeVar("T")

_CLAIM_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How logs are handed out.

    Attributes:
        recent_bytes: how much of a followed log is at hand without reading the journal.
        read_bytes: how much of the journal is read at once.
        page_lines: the lines of a page, where nobody says how many,
        most_page_lines: and the most that can be asked for.
        sweep_seconds: how often what is too old is looked for.
        handed_entries: how many new entries may wait for the event loop.
        probes: how many patterns are remembered with how far they were looked for.
    """

    recent_bytes: int = 1024 * 1024
    read_bytes: int = 1024 * 1024
    page_lines: int = 1000
    most_page_lines: int = 10_000
    sweep_seconds: float = 1800.0
    handed_entries: int = 256
    probes: int = 1024


class LogPage(NamedTuple):
    """A page of a log.

    Attributes:
        entries: contiguous.
        first: the oldest number that is kept; 0 for an empty log.
        last: the newest; 0 for an empty log.
        next_cursor: of the next page.
    """

    entries: list[LogEntry]
    first: int
    last: int
    next_cursor: int


class Logs:
    """Keeps the log of every instance of this node, and hands logs out.

    Followers share the newest entries of a log; whoever is slower than those last reads the journal
    until it has caught up. So a slow follower costs no memory, slows nobody, and misses nothing.

    Args:
        journal: keeps the lines.
        reader: reads the instances.
        clock: the time, for what is too old.
        draining: set when the process begins to stop: followers are sent away.
        limits: how logs are handed out.
    """

    def __init__(
        self,
        journal: LogJournal,
        reader: LogReader,
        clock: Clock,
        draining: asyncio.Event,
        limits: LogLimits | None = None,
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._clock = clock
        self._draining = draining
        self._limits = limits or LogLimits()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="docker_svc.journal")
        self._topics = Topics(
            self._call,
            recent_bytes=self._limits.recent_bytes,
            handed_entries=self._limits.handed_entries,
        )
        self._attached: dict[str, tuple[Run, LogSource]] = {}
        self._ends: dict[str, asyncio.Event] = {}
        self._probes: OrderedDict[tuple[str, Run, str], int] = OrderedDict()
        self._writes = asyncio.Event()
        self._closed = False

    # The life of the service

    async def run(self) -> None:
        """Reads the engine and writes the journal until it is cancelled.

        The process before this one may be ending still: then it waits until that has let go.
        """
        self._loop = asyncio.get_running_loop()
        drained = asyncio.create_task(self._send_away(), name="docker_svc.logs.drain")
        try:
            while not await self._hop(self._journal.claim):
                await self._clock.sleep(_CLAIM_SECONDS)
            self._reader.start(_Sink(self._journal, self._topics.take, self._take_end))
            self._writes.set()
            for allocation, (run, source) in self._attached.items():
                self._reader.begin(allocation, run, source)
            while True:
                await self._hop(lambda: self._journal.sweep(self._clock.now()))
                await self._clock.sleep(self._limits.sweep_seconds)
        finally:
            drained.cancel()
            if self._writes.is_set():
                self._writes.clear()
                await asyncio.shield(self._hop(self._reader.stop))
            self._topics.wake_all()

    async def close(self) -> None:
        """Closes the reader and the journal; after `run` has ended."""
        if not self._closed:
            await self._hop(self._reader.stop)
            await self._hop(self._journal.close)
            self._closed = True
            self._threads.shutdown(wait=False)

    @property
    def trouble(self) -> str | None:
        """What keeps logs from being kept, in a sentence; None while all is well."""
        return self._journal.trouble

    @property
    def writes(self) -> bool:
        """Whether this process is the one that reads the engine and writes the journal."""
        return self._writes.is_set()

    async def writing(self) -> None:
        """Waits until this process is the one that reads the engine and writes the journal."""
        await self._writes.wait()

    async def _send_away(self) -> None:
        await self._draining.wait()
        self._topics.wake_all()

    async def _hop(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise _stopping()
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    # What runs

    async def attach(
        self, allocation: str, generation: int, incarnation: int, source: LogSource
    ) -> None:
        """An instance runs, or has run and may not have been read to its end: its log is read.

        To be called again for each incarnation, and may be called again for the same one, with
        `running` false when its program has ended. The source of an earlier instance of the
        allocation is read to its end before.
        """
        run = Run(generation, incarnation)
        self._attached[allocation] = run, source
        self._ends.setdefault(allocation, asyncio.Event()).clear()
        await self._hop(lambda: self._journal.reinstate(allocation))
        if self._writes.is_set():
            self._reader.begin(allocation, run, source)

    async def detach(self, allocation: str) -> None:
        """The allocation has been removed, with its instances: its log stays for its time."""
        self._attached.pop(allocation, None)
        end = self._ends.pop(allocation, None)
        if end is not None:
            end.set()
        for key in [key for key in self._probes if key[0] == allocation]:
            del self._probes[key]
        if self._writes.is_set():
            self._reader.end(allocation)
        await self._hop(lambda: self._journal.retire(allocation))

    async def drained(self, allocation: str, timeout: float) -> bool:
        """Waits until everything that the attached instance has written is in the journal.

        To be called when its program has ended, before it is removed: an engine forgets a log with
        its container.

        Args:
            allocation: `allocations/{allocation}`.
            timeout: seconds to wait at most.

        Returns:
            Whether everything is there; True for what is not attached.
        """
        end = self._ends.get(allocation)
        if end is None:
            return True
        try:
            async with asyncio.timeout(timeout):
                await end.wait()
        except TimeoutError:
            return False
        return True

    async def matches(
        self, allocation: str, generation: int, incarnation: int, pattern: str
    ) -> None:
        """Returns once a run of the program has written a line that matches.

        What was looked at before is not looked at again, also if it is asked anew.

        Args:
            allocation: `allocations/{allocation}`.
            generation: of the instance.
            incarnation: of the run.
            pattern: a regular expression, searched for in each line.

        Raises:
            Invalid: the pattern is none.
            ServiceStopping: the service ends.
        """
        try:
            re.compile(pattern, re.ASCII)
        except re.error as problem:
            raise Invalid(f"The probe's pattern is no regular expression: {problem}.") from problem
        run = Run(generation, incarnation)
        key = (allocation, run, pattern)
        with self._topics.following(allocation) as topic:
            while not self._draining.is_set():
                cursor = self._probes.get(key, 1)
                found, seen_to = await self._hop(
                    lambda cursor=cursor: self._journal.search(  # type: ignore[misc]
                        allocation, cursor, run, pattern, max_bytes=self._limits.read_bytes
                    )
                )
                self._remember(key, seen_to)
                if found:
                    return
                if seen_to == cursor and topic.last < seen_to:
                    await topic.more()
            raise _stopping()

    async def matched_again(
        self, allocation: str, generation: int, incarnation: int, pattern: str
    ) -> bool:
        """Whether a run has written a line that matches since this, or `matches`, was last asked."""
        run = Run(generation, incarnation)
        key = (allocation, run, pattern)
        cursor = self._probes.get(key, 1)

        def look() -> tuple[bool, int]:
            extent = self._journal.extent(allocation)
            end, at = extent.last + 1 if extent else 1, cursor
            while at < end:
                found, seen_to = self._journal.search(
                    allocation, at, run, pattern, max_bytes=self._limits.read_bytes
                )
                if found:
                    # What else is there by now was written before somebody asks again.
                    return True, end
                if seen_to <= at:
                    break
                at = seen_to
            return False, at

        found, seen_to = await self._hop(look)
        self._remember(key, seen_to)
        return found

    def _remember(self, key: tuple[str, Run, str], seen_to: int) -> None:
        self._probes[key] = seen_to
        self._probes.move_to_end(key)
        if len(self._probes) > self._limits.probes:
            self._probes.popitem(last=False)

    # Readers

    async def read(self, allocation: str, cursor: int, max_lines: int) -> LogPage:
        """A page of a log.

        Args:
            allocation: `allocations/{allocation}`.
            cursor: the first number wanted; 0 for the oldest kept, negative for that many lines
                from the end.
            max_lines: at most so many numbers; 0 for as many as is usual.

        Raises:
            LogNotFound: there is no log.
        """
        lines = min(max_lines or self._limits.page_lines, self._limits.most_page_lines)

        def work() -> LogPage:
            extent = self._journal.extent(allocation)
            if extent is None:
                raise LogNotFound(
                    f"{allocation} has no log: it has never run, or the log was too old.",
                    allocation=allocation,
                )
            start = _start(extent, cursor)
            entries = self._journal.read(
                allocation, start, max_bytes=self._limits.read_bytes, max_lines=lines
            )
            following = entries[-1].last + 1 if entries else start
            first = extent.first if extent.last else 0
            return LogPage(entries, first, extent.last, following)

        return await self._hop(work)

    async def follow(self, allocation: str, cursor: int) -> AsyncIterator[LogEntry]:
        """A log from a cursor on, and then what comes, without end; contiguous.

        Args:
            allocation: `allocations/{allocation}`; it need not have a log yet.
            cursor: as for `read`; one beyond the end is waited for.

        Raises:
            ServiceStopping: the service ends.
        """
        with self._topics.following(allocation) as topic:
            extent = await self._hop(lambda: self._journal.extent(allocation))
            following = _start(extent or Extent(1, 0), cursor)
            topic.last = max(topic.last, extent.last if extent else 0)
            while not self._draining.is_set():
                entries = topic.since(following)
                if not entries and following <= topic.last:
                    entries = await self._hop(
                        lambda cursor=following: self._journal.read(  # type: ignore[misc]
                            allocation, cursor, max_bytes=self._limits.read_bytes
                        )
                    )
                for entry in entries:
                    if entry.first < following:
                        yield self._journal.cut(entry, following, entry.last)
                    else:
                        yield entry
                    following = entry.last + 1
                if following > topic.last:
                    await topic.more()
            raise _stopping()

    # From the reader's thread to the loop

    def _take_end(self, allocation: str, instance: str) -> None:
        self._call(lambda: self._note_end(allocation, instance))

    def _call(self, what: Callable[[], None]) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what)

    def _note_end(self, allocation: str, instance: str) -> None:
        attached = self._attached.get(allocation)
        if attached is not None and attached[1].instance == instance:
            self._ends[allocation].set()


class _Sink:
    """Keeps what a reader reads, then shows it."""

    def __init__(
        self,
        journal: LogJournal,
        take: Callable[[str, LogEntry], None],
        take_end: Callable[[str, str], None],
    ) -> None:
        self._journal = journal
        self._take = take
        self._take_end = take_end

    def position(self, allocation: str) -> bytes:
        """See `LogSink.position`."""
        return self._journal.position(allocation)

    def lines(self, allocation: str, run: Run, lines: Lines, position: bytes) -> None:
        """See `LogSink.lines`."""
        self._take(allocation, self._journal.append(allocation, run, lines, position))

    def gap(self, allocation: str, cause: GapCause, position: bytes) -> None:
        """See `LogSink.gap`."""
        self._take(allocation, self._journal.append_gap(allocation, 1, cause, position))

    def ended(self, allocation: str, instance: str) -> None:
        """See `LogSink.ended`."""
        self._take_end(allocation, instance)


def _stopping() -> ServiceStopping:
    return ServiceStopping("The service is stopping; follow again.", retry_after=1)


def _start(extent: Extent, cursor: int) -> int:
    """The number that a cursor means."""
    if cursor < 0:
        return max(extent.first, extent.last + 1 + cursor)
    return cursor or extent.first
