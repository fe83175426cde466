"""What replicas of this service hear from each other over the bus."""

from __future__ import annotations

from allocation_svc.usecases.watching import Elsewhere
from chassis.bus import Record, state_topic

TOPICS = (state_topic("allocations"),)
"""Where every change of an allocation is published."""


class ChangeConsumer:
    """Takes changes of allocations to the watchers of this process."""

    def __init__(self, elsewhere: Elsewhere) -> None:
        """Keeps the use case."""
        self._elsewhere = elsewhere

    async def __call__(self, record: Record) -> None:
        """Takes one record of the state topic.

        Raises:
            Unavailable: the store does not answer.
        """
        await self._elsewhere.changed(record.key, int(record.headers.get("version", "0")))
