"""What this service hears over the bus: its replicas from each other, and that people have gone."""

from __future__ import annotations

from datetime import UTC

from allocator.users.v1 import user_facts_pb2

from allocation_svc.usecases.departures import Departures
from allocation_svc.usecases.quotas import Quotas
from allocation_svc.usecases.watching import Elsewhere
from chassis.bus import Record, facts_topic, state_topic
from chassis.bus.facts import decode

TOPICS = (state_topic("allocations"),)
"""Where every change of an allocation is published."""

PEOPLE = "allocation_svc.people"
"""The group as which what happens to people is consumed."""

LEFT_FOR_GOOD = "allocation_svc.people.later"
"""The group that consumes the same a minute later, when no token of who has gone is good any more."""

PEOPLE_TOPICS = (facts_topic("users"),)
"""Where the end of an account is published."""


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


class PeopleConsumer:
    """Hears that accounts have ended."""

    def __init__(self, departures: Departures, quotas: Quotas | None = None) -> None:
        """Keeps the use cases; without quotas there are none to be forgotten."""
        self._departures = departures
        self._quotas = quotas

    async def __call__(self, record: Record) -> None:
        """Takes one fact about a person.

        Raises:
            Invalid: it is not one that our services publish.
            Unavailable: the store does not answer.
        """
        ended = decode(record, user_facts_pb2.UserDeleted)
        if ended is not None:
            await self._departures.left(ended.name)
            if self._quotas is not None:
                await self._quotas.forget(ended.name)


class LatePeopleConsumer:
    """Is done with the end of an account only when no token of it can be good any more."""

    def __init__(self, departures: Departures) -> None:
        """Keeps the use case."""
        self._departures = departures

    async def __call__(self, record: Record) -> None:
        """Takes one fact about a person; of the end of an account it takes up to a minute.

        Raises:
            Invalid: it is not one that our services publish.
            Unavailable: the store does not answer.
        """
        ended = decode(record, user_facts_pb2.UserDeleted)
        if ended is not None:
            await self._departures.left_for_good(ended.name, ended.delete_time.ToDatetime(UTC))
