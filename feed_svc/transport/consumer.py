"""What others tell of people and machines."""

from __future__ import annotations

from allocator.users.v1 import user_pb2

from chassis.bus import Record, state_topic
from chassis.bus.facts import decode
from chassis.faults import Invalid
from feed_svc.transport.mapping import author_of, time_in, version_in
from feed_svc.usecases.following import Following

GROUP = "feed_svc.feeds"
"""The group as which the service consumes."""

_PEOPLE = state_topic("users")
_MACHINES = state_topic("machines")
TOPICS = (_PEOPLE, _MACHINES)
"""Where the present state of people and machines is."""


class StateConsumer:
    """Follows people and machines; called for each record, perhaps more than once."""

    def __init__(self, following: Following) -> None:
        """Tells a use case."""
        self._following = following

    async def __call__(self, record: Record) -> None:
        """Follows one record.

        Raises:
            Invalid: it is not one that our services publish.
            Unavailable: the store does not answer.
        """
        if record.topic == _MACHINES:
            if record.is_tombstone:
                await self._following.machine_gone(record.key, time_in(record))
        elif record.is_tombstone:
            await self._following.person_gone(record.key, version_in(record))
        else:
            user = decode(record, user_pb2.User)
            if user is None:
                return
            if user.name != record.key:
                raise Invalid(f"The record of {record.key} on {record.topic} is of {user.name}.")
            await self._following.named(author_of(user, version_in(record)))
