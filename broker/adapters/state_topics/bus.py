"""The topics of states on the bus."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from chassis.bus import Bus, EffectOfMany, Record


class BusStateTopics:
    """Reads the topics of states again from their beginning."""

    def __init__(
        self, bus: Bus, topics: Sequence[str], learn: EffectOfMany, quiet_seconds: float
    ) -> None:
        """Reads from a bus.

        Args:
            bus: where the topics are.
            topics: which ones.
            learn: what to do with records.
            quiet_seconds: the topics have been read when nothing has come for so long. They have no
                end that could be asked for; what comes later, the directory learns as always.
        """
        self._bus = bus
        self._topics = topics
        self._learn = learn
        self._quiet_seconds = quiet_seconds

    async def replay(self, group: str) -> int:
        """Has everything that the topics keep learnt again."""
        learnt = under_way = 0
        came = asyncio.Event()

        async def effect(records: Sequence[Record]) -> None:
            nonlocal learnt, under_way
            under_way += 1
            came.set()
            try:
                await self._learn(records)
            finally:
                under_way -= 1
            learnt += len(records)
            came.set()

        consuming = asyncio.ensure_future(self._bus.consume_many(group, self._topics, effect))
        try:
            while not consuming.done():
                came.clear()
                await asyncio.wait(
                    [consuming, waiting := asyncio.ensure_future(came.wait())],
                    timeout=self._quiet_seconds,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if waiting.cancel() and not under_way:
                    break
        finally:
            consuming.cancel()
            ended = await asyncio.gather(consuming, return_exceptions=True)
        if isinstance(ended[0], Exception):
            raise ended[0]
        return learnt
