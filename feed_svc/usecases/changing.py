"""One change of one feed, made from the version that is kept."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from chassis.clock import Clock
from chassis.faults import Unavailable
from chassis.listing import Once
from feed_svc.domain.change import Change
from feed_svc.domain.faults import FeedChanged
from feed_svc.domain.feed import Feed
from feed_svc.ports import FeedStore

T = TypeVar("T")

LOST_RACES_BORNE = 25
"""How often a change is made anew when another replica's comes in between."""

_FIRST_PAUSE = 0.004
_LONGEST_PAUSE = 0.2

Decision = tuple[Change | None, T]
"""What is to be kept, None for nothing, and what the caller is told."""


class Changing:
    """Changes feeds, one change of a machine at a time: of those made side by side one would be kept."""

    def __init__(self, store: FeedStore, clock: Clock) -> None:
        """Works on a store.

        Args:
            store: where feeds are.
            clock: for the pauses after a lost race.
        """
        self._store = store
        self._clock = clock
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}

    async def change(
        self,
        machine: str,
        decide: Callable[[Feed], Awaitable[Decision[T]]],
        once: Once | None = None,
    ) -> T:
        """Changes the feed of a machine.

        Args:
            machine: `machines/{machine}`.
            decide: makes the change from the feed, and reads what it needs from the store; called
                again after each lost race.
            once: the request that it answers, if it must have one effect.

        Raises:
            Unavailable: OVERLOADED, the feed changes faster than this can follow.
            Fault: what `decide` raises.
        """
        async with self._turn(machine):
            for lost in range(LOST_RACES_BORNE):
                change, answer = await decide(await self._store.feed(machine))
                if change is None:
                    return answer
                try:
                    await self._store.save(change, once)
                except FeedChanged:
                    longest = min(_FIRST_PAUSE * 2.0**lost, _LONGEST_PAUSE)
                    await self._clock.sleep(random.uniform(0.0, longest))  # noqa: S311 - spreads tries
                else:
                    return answer
        raise Unavailable(
            "So many write about this machine at once that this could not be kept; try again.",
            reason="OVERLOADED",
            retry_after=1.0,
        )

    @asynccontextmanager
    async def _turn(self, machine: str) -> AsyncIterator[None]:
        lock, wanted = self._turns.get(machine, (None, 0))
        lock = lock or asyncio.Lock()
        self._turns[machine] = (lock, wanted + 1)
        try:
            async with lock:
                yield
        finally:
            wanted = self._turns[machine][1] - 1
            if wanted:
                self._turns[machine] = (lock, wanted)
            else:
                del self._turns[machine]
