"""What is to be worked on: at once, or at a time; each name by one worker at a time."""

from __future__ import annotations

import asyncio
import heapq
from enum import Enum

from chassis.clock import Clock


class Lane(Enum):
    """Two queues with workers of their own: removals wait for programs to end, others must not."""

    STEPS = "steps"
    REMOVALS = "removals"


class Agenda:
    """Hands names to workers: as soon as they are kicked, or when their time has come.

    However often a name is kicked, it waits once, and is never handed out while somebody works on it:
    then it is handed out again afterwards. So nothing here is larger than the number of names.
    """

    def __init__(self, clock: Clock) -> None:
        """Starts empty."""
        self._clock = clock
        self._ready: dict[Lane, asyncio.Queue[str]] = {lane: asyncio.Queue() for lane in Lane}
        self._waiting: dict[str, float] = {}
        self._working: set[str] = set()
        self._again: dict[str, tuple[Lane, float]] = {}
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._sooner = asyncio.Event()

    def kick(self, name: str, lane: Lane = Lane.STEPS) -> None:
        """Has a name worked on as soon as a worker is free."""
        now = self._clock.monotonic()
        if name in self._working:
            _, since = self._again.get(name, (lane, now))
            self._again[name] = (lane, since)
        elif name not in self._waiting:
            self._waiting[name] = now
            self._ready[lane].put_nowait(name)

    def later(self, name: str, seconds: float) -> None:
        """Has a name kicked in so many seconds, instead of when that was said before."""
        due = self._clock.monotonic() + max(0.0, seconds)
        self._due[name] = due
        heapq.heappush(self._heap, (due, name))
        if self._heap[0][0] == due:
            self._sooner.set()

    def no_more(self, name: str) -> None:
        """Forgets when a name was to be kicked."""
        self._due.pop(name, None)

    async def take(self, lane: Lane) -> tuple[str, float]:
        """The next name of a lane, and when it was kicked; `done` must follow."""
        name = await self._ready[lane].get()
        since = self._waiting.pop(name)
        self._working.add(name)
        return name, since

    def done(self, name: str) -> None:
        """Says that a name is no longer worked on."""
        self._working.discard(name)
        again = self._again.pop(name, None)
        if again is not None:
            lane, since = again
            self.kick(name, lane)
            self._waiting[name] = since

    async def run(self) -> None:
        """Kicks names whose time has come, until it is cancelled."""
        while True:
            self._sooner.clear()
            now = self._clock.monotonic()
            while self._heap and self._heap[0][0] <= now:
                due, name = heapq.heappop(self._heap)
                # A later word about the same name counts instead of this one.
                if self._due.get(name) == due:
                    del self._due[name]
                    self.kick(name)
            await until(self._clock, self._sooner, self._heap[0][0] - now if self._heap else None)


async def until(clock: Clock, event: asyncio.Event, seconds: float | None) -> bool:
    """Waits for an event, for so many seconds at most; None for however long it takes.

    Returns:
        Whether the event is set.
    """
    if seconds is None:
        return await event.wait()
    waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(clock.sleep(seconds))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return event.is_set()
