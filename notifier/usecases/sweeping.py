"""Forgetting what has ended."""

from __future__ import annotations

import contextlib
from datetime import timedelta

from chassis.clock import Clock
from chassis.faults import Fault
from notifier.ports import DeliveryStore

KEPT = timedelta(days=7)
"""How long a delivery is kept, from when it was accepted."""

_EVERY_SECONDS = 3600.0


class Sweeping:
    """Forgets deliveries that have ended and are old."""

    def __init__(self, store: DeliveryStore, clock: Clock) -> None:
        """Takes the store and the time."""
        self._store = store
        self._clock = clock

    async def run(self) -> None:
        """Sweeps once an hour, until cancelled."""
        while True:
            # Where the store is away its own check reports it; the next hour comes.
            with contextlib.suppress(Fault):
                await self.sweep()
            await self._clock.sleep(_EVERY_SECONDS)

    async def sweep(self) -> int:
        """Forgets what is old; returns how much it was.

        Raises:
            Unavailable: the store does not answer.
        """
        return await self._store.sweep(self._clock.now() - KEPT)
