"""The newest of the logs that somebody follows, at hand for all who follow them."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from docker_svc.ports.logs import LogEntry


class Topic:
    """The newest entries of a log that somebody follows, and who waits for more.

    Attributes:
        followers: how many follow.
        entries: contiguous, the newest last.
        firsts: the first number of each.
        size: bytes of all.
        last: the newest number that is known.
    """

    __slots__ = ("_waiting", "entries", "firsts", "followers", "last", "size")

    def __init__(self) -> None:
        self.followers = 0
        self.entries: list[LogEntry] = []
        self.firsts: list[int] = []
        self.size = 0
        self.last = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def add(self, entry: LogEntry, most: int) -> None:
        """Takes the newest entry, and lets go of old ones; without a payload it is but known of."""
        if not entry.payload:
            self.entries, self.firsts, self.size = [], [], 0
            self.last = entry.last
            return
        self.entries.append(entry)
        self.firsts.append(entry.first)
        self.size += len(entry.payload)
        self.last = entry.last
        gone = 0
        while self.size > most and gone < len(self.entries) - 1:
            self.size -= len(self.entries[gone].payload)
            gone += 1
        if gone:
            del self.entries[:gone], self.firsts[:gone]

    def since(self, cursor: int) -> list[LogEntry]:
        """The entries from the one with the number `cursor` on; none if that has gone."""
        if not self.firsts or cursor < self.firsts[0] or cursor > self.last:
            return []
        return self.entries[bisect_right(self.firsts, cursor) - 1 :]

    async def more(self) -> None:
        """Waits until it is woken."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)

    def wake(self) -> None:
        """Wakes whoever waits."""
        for each in self._waiting:
            if not each.done():
                each.set_result(None)


class Topics:
    """The topics of all logs that are followed; only `take` may be called by another thread.

    Args:
        call: has something called in the loop, from any thread.
        recent_bytes: how much of each log is at hand.
        handed_entries: how many new entries may wait for the loop.
    """

    def __init__(
        self, call: Callable[[Callable[[], None]], None], *, recent_bytes: int, handed_entries: int
    ) -> None:
        self._call = call
        self._recent_bytes = recent_bytes
        self._handed_entries = handed_entries
        self._topics: dict[str, Topic] = {}
        self._handed: deque[tuple[str, LogEntry]] = deque()

    @contextmanager
    def following(self, allocation: str) -> Iterator[Topic]:
        """The newest of a log, gathered while somebody follows it."""
        topic = self._topics.setdefault(allocation, Topic())
        topic.followers += 1
        try:
            yield topic
        finally:
            topic.followers -= 1
            if not topic.followers:
                del self._topics[allocation]

    def take(self, allocation: str, entry: LogEntry) -> None:
        """Hands a new entry of a log to the loop, from the thread that reads."""
        # Nobody follows: whoever begins to has created the topic before looking at the journal.
        if allocation not in self._topics:
            return
        if len(self._handed) >= self._handed_entries:
            entry = LogEntry(entry.first, entry.last, b"")  # the loop is busy: read it later
        self._handed.append((allocation, entry))
        if len(self._handed) == 1:
            self._call(self._publish)

    def _publish(self) -> None:
        woken = set()
        while self._handed:
            allocation, entry = self._handed.popleft()
            topic = self._topics.get(allocation)
            if topic is not None:
                topic.add(entry, self._recent_bytes)
                woken.add(topic)
        for topic in woken:
            topic.wake()

    def wake_all(self) -> None:
        """Wakes everybody who waits."""
        for topic in self._topics.values():
            topic.wake()
