"""What the use cases need from outside. Each docstring is what the conformance tests check."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from broker.domain.entry import Ended, Entry, Kind
from broker.domain.event import Act, Event, Leaver, News
from broker.domain.letter import Letter, Notice
from chassis.listing import Condition

ENDED_KEPT = timedelta(days=7)
"""How long it is remembered that a name has ended, against what arrives late."""


class DirectoryStore(Protocol):
    """Keeps the newest knowledge of each resource.

    Knowledge only grows: what was learnt later and is older changes nothing. Every method may raise
    Unavailable while the store does not answer.
    """

    async def put(self, entry: Entry) -> bool:
        """Keeps an entry, unless what is kept is as new or newer.

        An entry is newer than another one of its name if its resource was made later, or was made at
        the same time and has a higher version; and newer than an end if its resource was made later.

        Returns:
            Whether it is kept now.
        """
        ...

    async def end(self, ended: Ended) -> bool:
        """Removes the entry of a resource that was made before that time.

        The end is remembered for at least 7 days.

        Returns:
            Whether that was news.
        """
        ...

    async def learn(self, news: Sequence[Entry | Ended]) -> None:
        """Puts and ends many at once, as `put` and `end` do with each, in any order.

        Where it raises, some of them may have been learnt: learn all of them again.
        """
        ...

    async def rewrite(self, entry: Entry, other: Entry) -> bool:
        """Puts another entry of the same name, time and version in the place of one that is kept.

        Returns:
            Whether that one was kept, by its time and version.
        """
        ...

    async def forget(self, entry: Entry) -> bool:
        """Removes an entry if the one that is kept is the same one, by its time and version.

        Returns:
            Whether it was.
        """
        ...

    async def get(self, kind: Kind, name: str) -> Entry | Ended | None:
        """What is known of a name; None where nothing is."""
        ...

    async def allocations(self, owner: str, machine: str, after: str, size: int) -> list[Entry]:
        """A page of the allocations, by name in the order of code points.

        Args:
            owner: only this person's; empty for anybody's.
            machine: only of this machine; empty for any.
            after: the name after which the page begins; empty to begin.
            size: how many at most.
        """
        ...

    async def begin_rebuild(self) -> int:
        """Begins a second, empty directory beside the one that is read.

        From now on everything that is put, ended and forgotten goes into both. One that was begun
        before and not finished is thrown away.

        Returns:
            Its number, higher than any before.
        """
        ...

    async def finish_rebuild(self, number: int) -> bool:
        """Makes the second directory the one that is read, and removes the first.

        Returns:
            Whether that was done; False where another rebuild has begun since.
        """
        ...


class Owners(Protocol):
    """The services that own what the directory knows."""

    async def ask(self, kind: Kind, name: str) -> Entry | None:
        """The resource as its owner has it now, whoever asks; None where it has none.

        Raises:
            Unavailable, DeadlineExceeded: the owner does not answer in time.
        """
        ...


class StateTopics(Protocol):
    """The topics that hold the present state of everything."""

    async def replay(self, group: str) -> int:
        """Has everything that the topics keep learnt again, from the oldest record.

        Args:
            group: a name that nobody has used before.

        Returns:
            How many records there were.
        """
        ...


class TimelineStore(Protocol):
    """Keeps what has happened, the newest events of each allocation, and who has gone.

    What is kept is the same whatever the order in which it is learnt, and however often. Every method
    may raise Unavailable while the store does not answer.
    """

    async def learn(self, news: News) -> None:
        """Keeps what some facts say.

        An event or act that is kept already changes nothing. Of each allocation as many events are kept
        as the store was opened for, those of the greatest places. Of a person who has gone, before or
        after, only `users/deleted` is kept, in events and acts alike.

        Where it raises, some of it may have been learnt: learn all of it again.
        """
        ...

    async def events(
        self, allocation: str, owner: str, after: str, size: int, *, descending: bool
    ) -> list[Event] | None:
        """A page of the events of an allocation, by their places.

        Args:
            allocation: whose, `allocations/{allocation}`.
            owner: only if the directory knows it as this person's; empty for anybody's.
            after: the place after which the page begins, in its own order; empty to begin.
            size: how many at most.
            descending: whether the greatest place comes first.

        Returns:
            None where nothing is known of such an allocation.
        """
        ...

    async def before(self, allocation: str, place: str) -> Event | None:
        """The last event before a place that has a phase; None where there is none."""
        ...

    async def acts(
        self, conditions: Sequence[Condition], after: str, size: int, *, descending: bool
    ) -> list[Act]:
        """A page of the acts, by their places.

        Args:
            conditions: on `actor`, `method`, `resource`, `type` (`=`, `!=`, `:`, which disregards case)
                and `time` (every comparison).
            after: the place after which the page begins, in its own order; empty to begin.
            size: how many at most.
            descending: whether the greatest place comes first.
        """
        ...

    async def gone(self, people: Collection[str]) -> set[str]:
        """Those of some people who have gone; that is never forgotten."""
        ...

    async def leavers(self, since: datetime) -> list[Leaver]:
        """The people who have gone since a time, at most 10,000."""
        ...

    async def sweep(self, events_until: datetime, acts_until: datetime) -> int:
        """Removes what happened before these times; says how much.

        It also takes out people who have gone whose deeds were learnt at that very moment elsewhere.
        """
        ...


class DeadLetters(Protocol):
    """The facts that a service could not take in. Every method may raise Unavailable."""

    async def page(self, limit: int, after: int) -> list[Letter]:
        """A page of them, the oldest first.

        Args:
            limit: how many at most, 1000 at most.
            after: the id after which they begin.
        """
        ...

    async def count(self) -> int:
        """How many there are."""
        ...

    async def replay(self, letter: int) -> bool:
        """Has one taken in again, as soon as its group consumes; whether there is such a one."""
        ...

    async def discard(self, letter: int) -> bool:
        """Removes one; whether there was such a one."""
        ...


class Notices(Protocol):
    """Tells everybody about dead letters. Every method may raise Unavailable."""

    async def tell(self, notice: Notice) -> None:
        """Publishes a notice, once it is kept that it shall be."""
        ...

    async def tell_once(self, notice: Notice) -> bool:
        """Publishes a notice that a letter was added, once for each letter.

        A letter is the same if it has the same name and is about the same fact.

        Returns:
            Whether it had not been told.
        """
        ...

    async def sweep(self, until: datetime) -> None:
        """Forgets what was told before a time; a letter that is there still may be told again."""
        ...


class Topics(Protocol):
    """What is still on the bus."""

    async def erase(self, key: str, but: str) -> int:
        """Erases what the topics keep of a key, as far as they can: facts and dead letters.

        Args:
            key: `users/…`.
            but: the id of the fact that stays.

        Returns:
            How many records were erased.

        Raises:
            Unavailable: the bus does not answer.
        """
        ...
