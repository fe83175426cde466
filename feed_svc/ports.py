"""What the use cases need from outside. Each docstring is what the conformance tests check."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from chassis.listing import Once
from feed_svc.domain.change import Change
from feed_svc.domain.feed import Author, Comment, Feed, Review, Vote


class FeedStore(Protocol):
    """Keeps the feed of each machine.

    A feed is changed as a whole, from the version that was read: its numbers, its rows and its facts
    are kept together or not at all, so that the numbers are always those of the rows. Who reads the
    feed first and then its rows sees rows that are at least as new, and what is made from both is kept
    only if nothing came in between. Facts reach the bus later, in the order of the changes of a
    machine, at least once. Times are UTC in milliseconds. Every method may raise Unavailable while the
    store does not answer; whether a change that was under way was kept is not known then.
    """

    async def feed(self, machine: str) -> Feed:
        """The numbers of a feed; of version 0 where there never was any."""
        ...

    async def feeds(self, machines: Sequence[str]) -> list[Feed]:
        """The numbers of several feeds, in this order."""
        ...

    async def save(self, change: Change, once: Once | None = None) -> None:
        """Keeps a change, and the version after that which it was made from.

        Args:
            change: what differs; at most 64 rows.
            once: the request that its first comment answers, if it must have one effect.

        Raises:
            FeedChanged: the feed is of another version, or the request was answered meanwhile; nothing
                was kept.
        """
        ...

    async def answered(self, machine: str, once: Once | None) -> Comment | None:
        """The comment that a request made within the last 24 hours, as it was then.

        Raises:
            Conflict: REQUEST_ID_REUSED, the request id was used for another request about the machine.
        """
        ...

    async def comment(self, feed: Feed, thread: int, reply: int) -> Comment | None:
        """One comment, or reply; None where there is none."""
        ...

    async def comments(self, feed: Feed, before: int, size: int) -> list[Comment]:
        """Comments without replies, newest first.

        Args:
            feed: whose.
            before: threads below this one.
            size: how many at most.
        """
        ...

    async def replies(self, feed: Feed, thread: int, after: int, size: int) -> list[Comment]:
        """Replies to a comment, oldest first.

        Args:
            feed: whose.
            thread: to which comment.
            after: replies above this one.
            size: how many at most.
        """
        ...

    async def review(self, feed: Feed, number: int) -> Review | None:
        """One review; None where there is none."""
        ...

    async def review_of(self, feed: Feed, person: str) -> Review | None:
        """The review that a person wrote; None where there is none."""
        ...

    async def reviews(self, feed: Feed, before: int, size: int) -> list[Review]:
        """Reviews, newest first.

        Args:
            feed: whose.
            before: numbers below this one.
            size: how many at most.
        """
        ...

    async def vote(self, feed: Feed, person: str) -> Vote | None:
        """A person's vote; None where there is none."""
        ...

    async def votes(self, feeds: Sequence[Feed], person: str) -> Mapping[str, Vote]:
        """A person's votes on several machines, by machine."""
        ...

    async def comments_by(self, feed: Feed, person: str, size: int) -> list[Comment]:
        """Comments and replies that a person wrote, in any order.

        Args:
            feed: whose.
            person: who.
            size: how many at most.
        """
        ...

    async def machines_of(self, person: str) -> list[str]:
        """The machines of whose feeds a person has a part; perhaps others too."""
        ...

    async def purge(self, feed: Feed) -> None:
        """Removes all rows of earlier epochs of a feed. Doing it again does no harm."""
        ...

    async def learn(self, author: Author) -> None:
        """Keeps what a person is called, unless something newer is known. Who is gone stays gone."""
        ...

    async def authors(self, people: Collection[str]) -> Mapping[str, Author]:
        """What people are called, by `users/{user}`; who is not known is left out."""
        ...


class Catalogue(Protocol):
    """Knows which machines there are."""

    async def check_visible(self, machine: str) -> None:
        """Makes sure that the caller may see a machine.

        Raises:
            MachineNotFound: there is none, or the caller may not see it.
            Unavailable: it cannot be asked.
        """
        ...


class Rentals(Protocol):
    """Knows who has rented what."""

    async def has_rented(self, person: str, machine: str) -> bool:
        """Whether a person has, or once had, an allocation of a machine.

        Raises:
            Unavailable: it cannot be asked.
        """
        ...

    async def machine_of(self, person: str, allocation: str) -> str | None:
        """The machine of a person's own allocation; None where it is not theirs, or there is none.

        Raises:
            Unavailable: it cannot be asked.
        """
        ...
