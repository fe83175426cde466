"""Changes of inboxes, told to other replicas over the bus."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from allocator.notifications.v1 import notification_facts_pb2

from chassis.bus import Bus
from chassis.bus.facts import fact_records
from chassis.clock import Clock
from chassis.faults import Fault
from chassis.telemetry import log

NOUN = "notifications"
_SECONDS = 2.0


class BusAnnouncer:
    """An Announcer that publishes which inbox has changed, and nothing of what is in it.

    It does not go through an outbox: it is only a call to look, and who misses it looks by itself.

    Args:
        bus: where to.
        clock: the time.
    """

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock
        self._log = log("notifier.announcer")

    async def announce(self, users: Sequence[str]) -> None:
        """Tells the other replicas whose inbox has changed, if it can."""
        now = self._clock.now()
        records = [
            fact_records(
                noun=NOUN,
                source="notifier",
                fact=notification_facts_pb2.InboxChanged(user=user),
                resource=None,
                key=user,
                version=0,
                now=now,
            )[0]
            for user in users
        ]
        try:
            async with asyncio.timeout(_SECONDS):
                await self._bus.publish(records)
        except (Fault, TimeoutError) as error:
            self._log.warning("other replicas not told", error=str(error) or "no answer")


class NobodyElse:
    """An Announcer where there are no other replicas."""

    async def announce(self, users: Sequence[str]) -> None:
        """Tells nobody."""
