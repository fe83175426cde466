"""Facts of other services, and news of other replicas."""

from __future__ import annotations

from allocator.users.v1 import user_facts_pb2, user_pb2

from chassis.bus import Record, facts_topic, state_topic
from chassis.bus.facts import decode
from chassis.faults import Invalid
from notifier.transport.occurrences import event_of
from notifier.usecases.inbox import Watchers
from notifier.usecases.notifying import Notifying
from notifier.usecases.people import People

NOTICES = "notifier.notices"
"""The group that tells people of facts."""

AWAITED = ("nodes", "orders", "wallets")
"""Nouns whose topics may be there before anybody publishes to them."""

NOTICE_TOPICS = tuple(
    facts_topic(noun) for noun in ("users", "machines", "allocations", "feed", "timeline", *AWAITED)
)

PEOPLE = "notifier.people"
"""The group that keeps up with who there is."""

PEOPLE_TOPICS = (state_topic("users"), facts_topic("users"))

INBOX_TOPICS = (facts_topic("notifications"),)
"""Where replicas tell each other whose inbox has changed."""


class NoticeConsumer:
    """Tells people of facts; called for each, perhaps more than once."""

    def __init__(self, notifying: Notifying) -> None:
        """Takes the use case."""
        self._notifying = notifying

    async def __call__(self, record: Record) -> None:
        """Tells people of one fact.

        Raises:
            Invalid: it is not one that our services publish.
            Unavailable: the store or the directory does not answer.
        """
        event = event_of(record)
        if event is not None:
            await self._notifying.tell(event)


class PeopleConsumer:
    """Learns who the admins are, and forgets who has gone; called perhaps more than once."""

    def __init__(self, people: People) -> None:
        """Takes the use case."""
        self._people = people

    async def __call__(self, record: Record) -> None:
        """Learns from one record.

        Raises:
            Invalid: it is not one that our services publish.
            Unavailable: the store does not answer.
        """
        if record.is_tombstone:
            await self._people.forget(record.key)
            return
        deleted = decode(record, user_facts_pb2.UserDeleted)
        if deleted is not None:
            await self._people.forget(deleted.name)
            return
        user = decode(record, user_pb2.User)
        if user is not None:
            is_admin = user_pb2.User.ADMIN in user.roles and user.state != user_pb2.User.DISABLED
            await self._people.learn(user.name, _version(record), is_admin=is_admin)


class InboxConsumer:
    """Wakes the watchers of this process when another replica has changed an inbox."""

    def __init__(self, watchers: Watchers) -> None:
        """Takes who watches."""
        self._watchers = watchers

    async def __call__(self, record: Record) -> None:
        """Wakes them; the key is whose inbox it is."""
        self._watchers.wake(record.key)


def _version(record: Record) -> int:
    try:
        return int(record.headers["version"])
    except (KeyError, ValueError):
        raise Invalid(f"The record of {record.key} says no version.") from None
