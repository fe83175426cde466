"""Watching allocations: each as it is, then each change, to many watchers, none slowed by another."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum

from allocation_svc.domain.allocation import Allocation
from allocation_svc.domain.faults import AllocationNotFound
from allocation_svc.ports.allocation_store import AllocationStore, Selection
from allocation_svc.usecases.agenda import until
from chassis.clock import Clock
from chassis.faults import Exhausted, Unavailable

_PAGE = 200
_MOST_WATCHERS = 10_000
_MOST_REMEMBERED = 10_000


class Sign(Enum):
    """What a watcher is told beside allocations."""

    COMPLETE = "everything that was there at the start has been told"
    ALIVE = "nothing has changed for a while"


class Watcher:
    """One watcher's backlog: of each allocation, the newest state only.

    So it is never larger than the number of allocations, and who reads slowly skips states in between.
    """

    def __init__(self, name: str) -> None:
        """Begins empty; `name` is the one allocation that is watched, empty for all."""
        self._name = name
        self._backlog: dict[str, Allocation] = {}
        self.woken = asyncio.Event()

    def put(self, allocation: Allocation) -> None:
        """Adds a change."""
        if not self._name or self._name == allocation.name:
            self._backlog[allocation.name] = allocation
            self.woken.set()

    def take(self) -> Sequence[Allocation]:
        """What has changed since the last time."""
        changes = list(self._backlog.values())
        self._backlog.clear()
        self.woken.clear()
        return changes


class Feed:
    """Passes committed changes to the watchers of this process."""

    def __init__(self) -> None:
        """Begins without watchers."""
        self._of_owner: dict[str, set[Watcher]] = defaultdict(set)
        self._count = 0
        self._told: dict[str, int] = {}
        self._listeners: list[Callable[[Allocation], None]] = []
        self.ended = False

    @property
    def is_watched(self) -> bool:
        """Whether anybody watches in this process."""
        return self._count > 0

    def knows(self, name: str, version: int) -> bool:
        """Whether that version of an allocation, or a newer one, was passed on here of late."""
        return self._told.get(name, 0) >= version

    def changed(self, allocation: Allocation) -> None:
        """An allocation has been written down; passed over where a newer version was told before."""
        if self.knows(allocation.name, allocation.version + 1):
            return
        if len(self._told) >= _MOST_REMEMBERED:
            self._told.clear()
        self._told[allocation.name] = allocation.version
        for listener in self._listeners:
            listener(allocation)
        for owner in (allocation.owner, ""):
            for watcher in self._of_owner.get(owner, ()):
                watcher.put(allocation)

    def on_change(self, listener: Callable[[Allocation], None]) -> None:
        """Tells somebody of every change that comes by, watched or not."""
        self._listeners.append(listener)

    def end(self) -> None:
        """Ends every watch: the process stops."""
        self.ended = True
        for watchers in self._of_owner.values():
            for watcher in watchers:
                watcher.woken.set()

    @contextmanager
    def watching(self, owner: str, name: str) -> Iterator[Watcher]:
        """A watcher of an owner's allocations (empty for everybody's), or of one of them.

        Raises:
            Exhausted: TOO_MANY_REQUESTS, as many watch already as may.
        """
        if self._count >= _MOST_WATCHERS:
            raise Exhausted("As many watch already as may; try again in a moment.", retry_after=5)
        watcher = Watcher(name)
        self._of_owner[owner].add(watcher)
        self._count += 1
        try:
            yield watcher
        finally:
            self._count -= 1
            self._of_owner[owner].discard(watcher)
            if not self._of_owner[owner]:
                del self._of_owner[owner]


class Elsewhere:
    """Brings to the watchers of this process what other replicas have written down."""

    def __init__(self, store: AllocationStore, feed: Feed) -> None:
        """Reads from the store, since what is published is not all that watchers see."""
        self._store = store
        self._feed = feed

    async def changed(self, name: str, version: int) -> None:
        """An allocation is of a new version, whoever wrote it.

        Raises:
            Unavailable: the store does not answer.
        """
        if not self._feed.is_watched or self._feed.knows(name, version):
            return
        allocation = await self._store.find(name)
        if allocation is not None:
            self._feed.changed(allocation)


Shown = Callable[[Sequence[Allocation]], Awaitable[Sequence[Allocation]]]
"""Fills in what is not kept with allocations."""


class Watching:
    """Streams allocations."""

    def __init__(
        self,
        store: AllocationStore,
        feed: Feed,
        clock: Clock,
        shown: Shown,
        *,
        alive_seconds: float = 15.0,
    ) -> None:
        """Reads the beginning from the store, and the changes from the feed.

        Args:
            store: what there is.
            feed: what changes.
            clock: the time.
            shown: fills in the places of those who wait.
            alive_seconds: how often a sign of life is sent while nothing changes.
        """
        self._store = store
        self._feed = feed
        self._clock = clock
        self._shown = shown
        self._alive_seconds = alive_seconds

    async def stream(self, owner: str, name: str = "") -> AsyncIterator[Allocation | Sign]:
        """Allocations as they are now, `COMPLETE`, then each that changes; until the process stops.

        Args:
            owner: whose; empty for everybody's.
            name: only this one; empty for all.

        Raises:
            AllocationNotFound: there is no such allocation of the owner.
            Unavailable: SERVICE_STOPPING.
        """
        # Watching begins before reading, so that no change falls in between.
        with self._feed.watching(owner, name) as watcher:
            told: dict[str, tuple[int, int]] = {}
            async for allocation in self._at_the_start(owner, name):
                told[allocation.name] = _state_of(allocation)
                yield allocation
            yield Sign.COMPLETE
            while True:
                woken = watcher.woken.is_set() or await until(
                    self._clock, watcher.woken, self._alive_seconds
                )
                if self._feed.ended:
                    raise Unavailable(
                        "The service is stopping; open the stream again.",
                        reason="SERVICE_STOPPING",
                        retry_after=1,
                    )
                if not woken:
                    yield Sign.ALIVE
                for allocation in await self._shown(watcher.take()):
                    before, state = told.get(allocation.name, (0, 0)), _state_of(allocation)
                    if before[0] > state[0] or before == state:
                        continue
                    told[allocation.name] = state
                    if not allocation.exists:
                        del told[allocation.name]
                    yield allocation

    async def _at_the_start(self, owner: str, name: str) -> AsyncIterator[Allocation]:
        if name:
            allocation = await self._store.find(name, owner)
            if allocation is None:
                raise AllocationNotFound(name)
            for each in await self._shown([allocation]):
                yield each
            return
        after = None
        while page := await self._store.page(Selection(owner), _PAGE, after):
            for allocation in await self._shown(page):
                yield allocation
            after = (page[-1].create_time, page[-1].name)


def _state_of(allocation: Allocation) -> tuple[int, int]:
    """What a watcher was told: its version, and where it stands in the queue if it waits."""
    return allocation.version, allocation.queue.position if allocation.queue else 0
