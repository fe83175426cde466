"""A clock that stands still until it is told to move, for tests."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

from chassis.clock.instants import truncated

_START = datetime(2026, 1, 1, tzinfo=UTC)
_PATIENCE = 5.0
_TURNS = 20


class ManualClock:
    """A clock that moves only by `advance` and `run`. It belongs to one event loop.

    Args:
        start: the present at first; aware. By default the start of 2026.
    """

    def __init__(self, start: datetime = _START) -> None:
        self._start = truncated(start)
        self._passed = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._arrived = asyncio.Event()

    def now(self) -> datetime:
        """The present: aware, UTC, whole milliseconds."""
        return truncated(self._start + timedelta(seconds=self._passed))

    def monotonic(self) -> float:
        """Seconds that the clock has been moved by."""
        return self._passed

    @property
    def sleepers(self) -> int:
        """How many wait for this clock at present."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Waits until the clock has been moved by that many seconds. Zero or less lets others run once."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._passed + seconds, next(self._order), future))
        self._arrived.set()
        await future

    def advance(self, seconds: float) -> None:
        """Moves the clock at once and wakes those whose time has come, the earliest first.

        They go on when the caller next awaits something. Who then sleeps again counts from the new
        present; `run` moves in steps instead.

        Args:
            seconds: by how much; not negative.
        """
        if seconds < 0:
            raise ValueError("time does not go back")
        self._move_to(self._passed + seconds)

    async def run(self, seconds: float) -> None:
        """Moves the clock from one sleeper's end to the next, and lets those woken go on in between.

        Args:
            seconds: by how much altogether; not negative.
        """
        end = self._passed + seconds
        await self._let_others_go_on()
        while True:
            while self._sleepers and self._sleepers[0][2].done():
                heapq.heappop(self._sleepers)
            if not self._sleepers or self._sleepers[0][0] > end:
                break
            self._move_to(self._sleepers[0][0])
            await self._let_others_go_on()
        self._move_to(end)

    async def until_sleepers(self, count: int = 1) -> None:
        """Waits, in real time, until at least that many sleep.

        Raises:
            TimeoutError: they do not within five seconds.
        """
        async with asyncio.timeout(_PATIENCE):
            while self.sleepers < count:
                self._arrived.clear()
                await self._arrived.wait()

    def _move_to(self, passed: float) -> None:
        while self._sleepers and self._sleepers[0][0] <= passed:
            due, _, future = heapq.heappop(self._sleepers)
            self._passed = max(self._passed, due)
            if not future.done():
                future.set_result(None)
        self._passed = passed

    async def _let_others_go_on(self) -> None:
        # A task that was woken needs a turn for each await on its way to its next sleep.
        for _ in range(_TURNS):
            await asyncio.sleep(0)
