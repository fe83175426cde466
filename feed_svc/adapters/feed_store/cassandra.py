"""Feeds in Cassandra: one partition for each machine, which every change goes through.

A change is one conditional write in that partition: the numbers, the rows in `pending`, the facts, and a
note that it was made. Its rows are then written to where they belong; whoever reads the feed does that
first, where the one who made the change did not get so far.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

from chassis.bus.port import check_records
from chassis.clock import Clock, instant_of, millis_of
from chassis.faults import Conflict, Unavailable
from chassis.listing import Once
from feed_svc.adapters.cassandra.session import Keyspace, Parameters
from feed_svc.adapters.feed_store.document import comment_of, document_of
from feed_svc.adapters.feed_store.records import RecordsOf
from feed_svc.adapters.feed_store.wide_rows import FeedRows, pending_of, writes_of
from feed_svc.domain.change import Change
from feed_svc.domain.faults import changed_since
from feed_svc.domain.feed import DELETED, Author, Comment, Direction, Feed, Review, Vote

_NUMBERS = (
    "version, epoch, likes, dislikes, comments, stars1, stars2, stars3, stars4, stars5, "
    "threads_made, reviews_made, end_time"
)
_FEED = (
    f"SELECT {_NUMBERS}, pending, settled, id FROM feeds "  # noqa: S608 - names of ours
    "WHERE machine = ? AND kind = 'head' AND id = ''"
)
# One question for a page: as many of them at once cost the driver more than the server.
_FEEDS = (
    f"SELECT {_NUMBERS}, pending, settled, id, machine FROM feeds "  # noqa: S608 - names of ours
    "WHERE machine IN ? AND kind = 'head' AND id = ''"
)
_CHANGE = (
    "UPDATE feeds SET version = ?, epoch = ?, likes = ?, dislikes = ?, comments = ?, stars1 = ?, "
    "stars2 = ?, stars3 = ?, stars4 = ?, stars5 = ?, threads_made = ?, reviews_made = ?, "
    "end_time = ?, pending = ? WHERE machine = ? IF version = ?"
)
_HEAD = "INSERT INTO feeds (machine, kind, id) VALUES (?, 'head', '')"
FACT = "INSERT INTO feeds (machine, kind, id, topic, value, headers) VALUES (?, 'fact', ?, ?, ?, ?)"
# One that is there keeps the change from being made, also where it has not reached every server yet.
ANSWERED = (
    "INSERT INTO feeds (machine, kind, id, fingerprint, answer) VALUES (?, 'once', ?, ?, ?) "
    "IF NOT EXISTS USING TTL ?"
)
_ANSWER = "SELECT fingerprint, answer FROM feeds WHERE machine = ? AND kind = 'once' AND id = ?"
_SETTLED = "UPDATE feeds USING TIMESTAMP ? SET settled = ? WHERE machine = ?"
_PURGED_TO = "SELECT purged, id FROM feeds WHERE machine = ? AND kind = 'head' AND id = ''"
_PURGED = "UPDATE feeds USING TIMESTAMP ? SET purged = ? WHERE machine = ?"
_CONTRIBUTES = "INSERT INTO contributions (person, machine) VALUES (?, ?)"
_MACHINES_OF = "SELECT machine FROM contributions WHERE person = ?"
_LEARN = "INSERT INTO authors (name, shown, version, gone) VALUES (?, ?, ?, ?) USING TIMESTAMP ?"
_AUTHOR = "SELECT name, shown, version, gone FROM authors WHERE name = ?"

_KEPT_SECONDS = 24 * 3600
# Longer than anybody tries to find out whether a change was kept.
_NOTED_SECONDS = 600
_ASKED_TIMES = 3
# Later than every version: who is gone stays gone.
_FOR_EVER = 2**62


class CassandraFeedStore:
    """Keeps feeds in a keyspace."""

    def __init__(
        self,
        keyspace: Keyspace,
        clock: Clock,
        records_of: RecordsOf,
        wake_relay: Callable[[str], None],
    ) -> None:
        """Works on an open keyspace.

        Args:
            keyspace: at the newest schema.
            clock: tells when.
            records_of: makes of a fact what goes onto the bus.
            wake_relay: called with a machine of which there may be something to publish.
        """
        self._keyspace = keyspace
        self._rows = FeedRows(keyspace)
        self._clock = clock
        self._records_of = records_of
        self._wake_relay = wake_relay

    async def feed(self, machine: str) -> Feed:
        """The numbers of a feed, once its rows are where they belong."""
        row = await self._keyspace.one(_FEED, [machine])
        if row is None:
            return Feed(machine)
        feed, pending, settled = _feed(machine, row)
        if settled < feed.version:
            await self._settle(feed, pending)
        return feed

    async def feeds(self, machines: Sequence[str]) -> list[Feed]:
        """The numbers of several feeds."""
        rows = await self._keyspace.rows(_FEEDS, [list(machines)])
        known = {machine: _feed(machine, row)[0] for *row, machine in rows}
        return [known.get(machine) or Feed(machine) for machine in machines]

    async def save(self, change: Change, once: Once | None = None) -> None:
        """Keeps a change, and the version after that which it was made from."""
        former = change.feed.version
        feed = replace(change.feed, version=former + 1)
        now = self._clock.now()
        records = [record for fact in change.facts for record in self._records_of(feed, fact, now)]
        check_records(records)
        machine, pending, note = feed.machine, pending_of(change, feed.version), uuid4().hex
        statements = change_statements(feed, pending, former)
        statements.append((ANSWERED, [machine, f"note {note}", "", "", _NOTED_SECONDS]))
        for place, record in enumerate(records):
            headers = json.dumps(dict(record.headers))
            key = f"{feed.version:019d}-{place:03d}"
            statements.append((FACT, [machine, key, record.topic, record.value, headers]))
        if once is not None:
            answer = json.dumps(document_of(change.comments[0]))
            asked = [machine, _asked(once), once.fingerprint, answer, _KEPT_SECONDS]
            statements.append((ANSWERED, asked))
        await self._contribute(change)
        try:
            if not await self._keep(machine, statements, note):
                raise changed_since(machine)
        finally:
            # Also where it is not known: if it was kept, it is published.
            if records:
                self._wake_relay(machine)
        # It is kept; whoever reads the feed next finishes what fails here.
        with suppress(Unavailable):
            await self._settle(feed, pending)

    async def answered(self, machine: str, once: Once | None) -> Comment | None:
        """The comment that a request made within the last 24 hours."""
        if once is None:
            return None
        row = await self._keyspace.one(_ANSWER, [machine, _asked(once)])
        if row is None:
            return None
        fingerprint, answer = row
        if fingerprint != once.fingerprint:
            raise Conflict(
                f"The request id {once.request_id} was used for a different request; "
                "use a new UUID for each new request.",
                reason="REQUEST_ID_REUSED",
                request_id=once.request_id,
            )
        return comment_of(json.loads(answer))

    async def comment(self, feed: Feed, thread: int, reply: int) -> Comment | None:
        """One comment, or reply."""
        return await self._rows.comment(feed, thread, reply)

    async def comments(self, feed: Feed, before: int, size: int) -> list[Comment]:
        """Comments without replies, newest first."""
        return await self._rows.comments(feed, before, size)

    async def replies(self, feed: Feed, thread: int, after: int, size: int) -> list[Comment]:
        """Replies to a comment, oldest first."""
        return await self._rows.replies(feed, thread, after, size)

    async def review(self, feed: Feed, number: int) -> Review | None:
        """One review."""
        return await self._rows.review(feed, number)

    async def review_of(self, feed: Feed, person: str) -> Review | None:
        """The review that a person wrote."""
        row = await self._rows.standing(feed, person)
        number = row[2] if row else None
        return await self._rows.review(feed, number) if number else None

    async def reviews(self, feed: Feed, before: int, size: int) -> list[Review]:
        """Reviews, newest first."""
        return await self._rows.reviews(feed, before, size)

    async def vote(self, feed: Feed, person: str) -> Vote | None:
        """A person's vote."""
        row = await self._rows.standing(feed, person)
        if row is None or not row[0]:
            return None
        return Vote(feed.machine, person, Direction(row[0]), instant_of(row[1]))

    async def votes(self, feeds: Sequence[Feed], person: str) -> Mapping[str, Vote]:
        """A person's votes on several machines, by machine."""
        rows = await self._rows.votes(feeds, person)
        return {
            machine: Vote(machine, person, Direction(direction), instant_of(time))
            for machine, direction, time in rows
            if direction
        }

    async def comments_by(self, feed: Feed, person: str, size: int) -> list[Comment]:
        """Comments and replies that a person wrote."""
        return await self._rows.comments_by(feed, person, size)

    async def machines_of(self, person: str) -> list[str]:
        """The machines of whose feeds a person has a part; perhaps others too."""
        return [row[0] for row in await self._keyspace.rows(_MACHINES_OF, [person])]

    async def purge(self, feed: Feed) -> None:
        """Removes all rows of earlier epochs of a feed."""
        row = await self._keyspace.one(_PURGED_TO, [feed.machine])
        for epoch in range((row and row[0]) or 0, feed.epoch):
            await self._rows.purge(feed, epoch)
        if feed.epoch:
            stamp = feed.version
            await self._keyspace.write(_PURGED, [stamp, feed.epoch, feed.machine])

    async def learn(self, author: Author) -> None:
        """Keeps what a person is called, unless something newer is known. Who is gone stays gone."""
        stamp = _FOR_EVER if author.gone else author.version
        row = [author.name, author.shown, author.version, author.gone]
        await self._keyspace.write(_LEARN, [*row, stamp])

    async def authors(self, people: Collection[str]) -> Mapping[str, Author]:
        """What people are called."""
        rows = await asyncio.gather(*(self._keyspace.one(_AUTHOR, [one]) for one in people))
        return {row[0]: Author(*row) for row in rows if row}

    async def _keep(
        self, machine: str, statements: Sequence[tuple[str, Parameters]], note: str
    ) -> bool:
        """Writes a change, if its condition holds; where that is not known at once, finds it out."""
        try:
            return await self._keyspace.apply(statements)
        except Unavailable as fault:
            lost = fault
        for _ in range(_ASKED_TIMES):
            # What is read so is final: what was not written by then never will be.
            with suppress(Unavailable):
                return await self._keyspace.settled(
                    _ANSWER, [machine, f"note {note}"]
                ) is not None or await self._keyspace.apply(statements)
        raise lost

    async def _settle(self, feed: Feed, pending: str) -> None:
        """Brings the rows of the last change of a feed to where they belong."""
        writes = writes_of(feed.machine, pending)
        await asyncio.gather(*(self._keyspace.write(*write) for write in writes))
        await self._keyspace.write(_SETTLED, [feed.version, feed.version, feed.machine])

    async def _contribute(self, change: Change) -> None:
        """Notes who has a part in the feed, before they have."""
        people = {
            *(comment.author for comment in change.comments if comment.version == 1),
            *(review.author for review in change.reviews if review.version == 1),
            *(vote.person for vote in change.votes),
        } - {"", DELETED}
        machine = change.feed.machine
        await asyncio.gather(
            *(self._keyspace.write(_CONTRIBUTES, [person, machine]) for person in people)
        )


def change_statements(feed: Feed, pending: str, former: int) -> list[tuple[str, Parameters]]:
    """The statements that change the numbers of a feed, if it still is of its former version.

    Args:
        feed: as it shall be.
        pending: the rows that have yet to be written where they belong.
        former: the version that is there; 0 where there is no feed.
    """
    machine = feed.machine
    change: tuple[str, Parameters] = (
        _CHANGE,
        [*_numbers(feed), pending, machine, former or None],
    )
    return [change] if former else [change, (_HEAD, [machine])]


def _numbers(feed: Feed) -> list[int | None]:
    ended = None if feed.end_time is None else millis_of(feed.end_time)
    return [
        feed.version,
        feed.epoch,
        feed.likes,
        feed.dislikes,
        feed.comments,
        *feed.stars,
        feed.threads_made,
        feed.reviews_made,
        ended,
    ]


def _feed(machine: str, row: Sequence[Any]) -> tuple[Feed, str, int]:
    """A feed, the rows of its last change, and up to which version rows are where they belong."""
    version, epoch, likes, dislikes, comments, *rest = row
    *stars, threads_made, reviews_made, ended, pending, settled, _ = rest
    feed = Feed(
        machine,
        version,
        epoch,
        likes,
        dislikes,
        comments,
        tuple(stars),
        threads_made,
        reviews_made,
        None if ended is None else instant_of(ended),
    )
    return feed, pending, settled or 0


def _asked(once: Once) -> str:
    return f"asked {once.method} {once.request_id} {once.caller}"
