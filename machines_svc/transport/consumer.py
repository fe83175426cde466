"""What this service hears from others."""

from __future__ import annotations

from allocator.allocations.v1 import allocation_facts_pb2
from allocator.feed.v1 import feed_pb2
from allocator.users.v1 import user_facts_pb2

from chassis.bus import Record, facts_topic, state_topic
from chassis.bus.facts import decode
from chassis.clock import instant_of
from machines_svc.usecases.following import Following

RATINGS = state_topic("feed")
"""What people make of machines."""

GROUP = "machines_svc.following"
TOPICS = (facts_topic("allocations"), RATINGS, facts_topic("users"))
"""What is consumed, and in whose name."""


class FollowingConsumer:
    """Takes records to the use case."""

    def __init__(self, following: Following) -> None:
        """Keeps the use case."""
        self._following = following

    async def __call__(self, record: Record) -> None:
        """Takes one record; those that are of no interest are passed over.

        Raises:
            Invalid: the record is not what it says.
            Unavailable: the store does not answer.
        """
        if record.topic == RATINGS:
            await self._rated(record)
            return
        rented = decode(record, allocation_facts_pb2.AllocationCreated)
        if rented is not None:
            one = rented.allocation
            made = instant_of(one.create_time.ToMilliseconds())
            await self._following.machine_rented(one.machine, one.name, made)
            return
        gone = decode(record, user_facts_pb2.UserDeleted)
        if gone is not None:
            await self._following.person_gone(gone.name)

    async def _rated(self, record: Record) -> None:
        if record.is_tombstone:
            version = int(record.headers.get("version") or 0)
            await self._following.machine_rated(record.key, 0.0, 0, version)
            return
        summary = decode(record, feed_pb2.FeedSummary)
        if summary is not None:
            await self._following.machine_rated(
                summary.machine, summary.average_rating, summary.reviews, summary.version
            )
