"""One upstream per watched allocation, shared by all who watch it."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable

from chassis.clock import Clock
from chassis.faults import Fault, NotFound
from interact_svc.domain.frames import AllocationSnapshot, Measure
from interact_svc.domain.recent_log import RecentLog
from interact_svc.ports import AllocationView, LogFeed
from interact_svc.usecases.delays import Delays

_ABSENT_RETRY_SECONDS = 5.0


class Upstream:
    """Follows the log, the state and the statistics of one allocation while somebody watches.

    Watchers read from it at their own pace and are woken when there is something new; nothing here
    waits for them.
    """

    def __init__(
        self,
        allocation: str,
        logs: LogFeed,
        allocations: AllocationView,
        clock: Clock,
        buffer_bytes: int,
    ) -> None:
        """Prepares it; `start` begins."""
        self.allocation = allocation
        self.recent = RecentLog(1, buffer_bytes)
        self.first = 0
        self.last = 0
        self.snapshot: AllocationSnapshot | None = None
        self.measure: Measure | None = None
        self._logs = logs
        self._allocations = allocations
        self._clock = clock
        self._buffer_bytes = buffer_bytes
        self._wakers: set[asyncio.Event] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._started: asyncio.Task[None] | None = None

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._wakers)

    async def start(self) -> None:
        """Finds the end of the log and follows from there; at once where it has begun already.

        Raises:
            Unavailable: docker_svc is away.
        """
        if self._started is None:
            # In a context of its own: what is shared must not carry the first watcher's token.
            self._started = asyncio.create_task(
                self._begin(), name="interact_svc.upstream", context=contextvars.Context()
            )
        try:
            await asyncio.shield(self._started)
        except Fault:
            self._started = None
            raise

    async def stop(self) -> None:
        """Ends following."""
        tasks = [*self._tasks, *([self._started] if self._started else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def join(self, waker: asyncio.Event) -> None:
        """Has an event set whenever there is something new."""
        self._wakers.add(waker)

    def leave(self, waker: asyncio.Event) -> int:
        """Takes the event away; answers how many are left."""
        self._wakers.discard(waker)
        return len(self._wakers)

    def wake(self) -> None:
        """Wakes every watcher."""
        for waker in self._wakers:
            waker.set()

    async def _begin(self) -> None:
        page = await self._logs.read(self.allocation, -1, 1)
        self.first, self.last = page.first, page.last
        self.recent = RecentLog(page.last + 1, self._buffer_bytes)
        self._tasks = [
            asyncio.create_task(self._again_and_again(step), name=f"interact_svc.{name}")
            for name, step in (
                ("log", self._follow_log),
                ("state", self._follow_state),
                ("stats", self._follow_stats),
            )
        ]

    async def _again_and_again(self, step: Callable[[Delays], Awaitable[None]]) -> None:
        """Runs a step anew whenever it ends, with growing delays while it brings nothing."""
        delays = Delays()
        while True:
            began = self._clock.monotonic()
            try:
                await step(delays)
            except NotFound:
                delays.next = _ABSENT_RETRY_SECONDS
            except Fault:
                pass
            if self._clock.monotonic() - began > delays.longest:
                delays.begin_anew()
            await self._clock.sleep(delays.take())

    async def _follow_log(self, delays: Delays) -> None:
        async for chunk in self._logs.follow(self.allocation, self.recent.end):
            delays.begin_anew()
            self.recent.append(chunk.since(self.recent.end))
            self.last = chunk.last
            self.wake()

    async def _follow_state(self, delays: Delays) -> None:
        async for snapshot in self._allocations.watch(self.allocation):
            delays.begin_anew()
            self.snapshot = snapshot
            self.wake()

    async def _follow_stats(self, delays: Delays) -> None:
        delays.longest = _ABSENT_RETRY_SECONDS  # they end while nothing runs
        async for measure in self._logs.measure(self.allocation):
            delays.begin_anew()
            self.measure = measure
            self.wake()
