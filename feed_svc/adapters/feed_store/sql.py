"""Feeds in a SQL database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, union, update
from sqlalchemy.exc import IntegrityError

from chassis.bus.outbox import append
from chassis.clock import Clock, millis_of
from chassis.listing import Once
from chassis.sql import Database, Prepared, upsert
from chassis.sql.once import answer_of, remember
from chassis.sql.sweeping import in_parts, sweep
from feed_svc.adapters.feed_store.document import (
    comment_of,
    document_of,
    review_document,
    review_of,
)
from feed_svc.adapters.feed_store.records import RecordsOf
from feed_svc.domain.change import Change
from feed_svc.domain.faults import changed_since
from feed_svc.domain.feed import Author, Comment, Direction, Feed, Review, Vote
from feed_svc.schema.tables import AUTHORS, COMMENTS, FEEDS, ONCE, OUTBOX, REVIEWS, VOTES

_ANY_OF = "any_of"
_FEED = Prepared(select(FEEDS).where(FEEDS.c.machine == bindparam("machine")))
_FEEDS = select(FEEDS).where(FEEDS.c.machine.in_(bindparam(_ANY_OF, expanding=True)))
_NEW_FEED = insert(FEEDS)
_CHANGED_FEED = update(FEEDS).where(
    FEEDS.c.machine == bindparam("of_machine"), FEEDS.c.version == bindparam("of_version")
)

_IN_FEED = {
    table: (table.c.machine == bindparam("machine"), table.c.epoch == bindparam("epoch"))
    for table in (COMMENTS, REVIEWS, VOTES)
}
_COMMENT = select(COMMENTS).where(
    *_IN_FEED[COMMENTS],
    COMMENTS.c.thread == bindparam("thread"),
    COMMENTS.c.reply == bindparam("reply"),
)
_COMMENTS = (
    select(COMMENTS)
    .where(*_IN_FEED[COMMENTS], COMMENTS.c.reply == 0, COMMENTS.c.thread < bindparam("before"))
    .order_by(COMMENTS.c.thread.desc())
    .limit(bindparam("size"))
)
_REPLIES = (
    select(COMMENTS)
    .where(
        *_IN_FEED[COMMENTS],
        COMMENTS.c.thread == bindparam("thread"),
        COMMENTS.c.reply > bindparam("after"),
    )
    .order_by(COMMENTS.c.reply)
    .limit(bindparam("size"))
)
_COMMENTS_BY = (
    select(COMMENTS)
    .where(*_IN_FEED[COMMENTS], COMMENTS.c.author == bindparam("person"))
    .order_by(COMMENTS.c.thread, COMMENTS.c.reply)
    .limit(bindparam("size"))
)
_KEEP_COMMENT = upsert(
    COMMENTS,
    None,
    ["machine", "epoch", "thread", "reply"],
    [c.name for c in COMMENTS.c if not c.primary_key],
)
_NO_COMMENT = delete(COMMENTS).where(
    COMMENTS.c.machine == bindparam("of_machine"),
    COMMENTS.c.epoch == bindparam("of_epoch"),
    COMMENTS.c.thread == bindparam("of_thread"),
    COMMENTS.c.reply == bindparam("of_reply"),
)

_REVIEW = select(REVIEWS).where(*_IN_FEED[REVIEWS], REVIEWS.c.number == bindparam("number"))
_REVIEW_OF = select(REVIEWS).where(*_IN_FEED[REVIEWS], REVIEWS.c.author == bindparam("person"))
_REVIEWS = (
    select(REVIEWS)
    .where(*_IN_FEED[REVIEWS], REVIEWS.c.number < bindparam("before"))
    .order_by(REVIEWS.c.number.desc())
    .limit(bindparam("size"))
)
_KEEP_REVIEW = upsert(
    REVIEWS,
    None,
    ["machine", "epoch", "number"],
    [c.name for c in REVIEWS.c if not c.primary_key],
)
_NO_REVIEW = delete(REVIEWS).where(
    REVIEWS.c.machine == bindparam("of_machine"),
    REVIEWS.c.epoch == bindparam("of_epoch"),
    REVIEWS.c.number == bindparam("of_number"),
)

_VOTE = select(VOTES).where(*_IN_FEED[VOTES], VOTES.c.person == bindparam("person"))
_VOTES = select(VOTES).where(
    VOTES.c.person == bindparam("person"), VOTES.c.machine.in_(bindparam(_ANY_OF, expanding=True))
)
_KEEP_VOTE = upsert(VOTES, None, ["machine", "epoch", "person"], ["direction", "update_time"])
_NO_VOTE = delete(VOTES).where(
    VOTES.c.machine == bindparam("of_machine"),
    VOTES.c.epoch == bindparam("of_epoch"),
    VOTES.c.person == bindparam("of_person"),
)

_MACHINES_OF = union(
    *(
        select(table.c.machine).where(column == bindparam("person"))
        for table, column in (
            (COMMENTS, COMMENTS.c.author),
            (REVIEWS, REVIEWS.c.author),
            (VOTES, VOTES.c.person),
        )
    )
)
_PURGES = [
    in_parts(
        delete(table).where(
            table.c.machine == bindparam("of_machine"), table.c.epoch < bindparam("of_epoch")
        )
    )
    for table in (COMMENTS, REVIEWS, VOTES)
]

_AUTHOR = select(AUTHORS).where(AUTHORS.c.name == bindparam("name"))
_AUTHORS = select(AUTHORS).where(AUTHORS.c.name.in_(bindparam(_ANY_OF, expanding=True)))
_KEEP_AUTHOR = upsert(AUTHORS, None, ["name"], ["shown", "version", "gone"])


class SqlFeedStore:
    """Keeps feeds in a SQL database."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        records_of: RecordsOf,
        wake_relay: Callable[[], None],
    ) -> None:
        """Works on an open database.

        Args:
            database: at the newest schema.
            clock: tells when.
            records_of: makes of a fact what goes onto the bus.
            wake_relay: called when there is something to publish.
        """
        self._database = database
        self._clock = clock
        self._records_of = records_of
        self._wake_relay = wake_relay

    async def feed(self, machine: str) -> Feed:
        """The numbers of a feed."""
        row = await self._database.first(_FEED, {"machine": machine})
        return Feed(machine) if row is None else _feed(row)

    async def feeds(self, machines: Sequence[str]) -> list[Feed]:
        """The numbers of several feeds."""
        wanted = {_ANY_OF: list(machines)}
        rows = await self._database.get(lambda conn: conn.execute(_FEEDS, wanted).all())
        found = {row.machine: _feed(tuple(row)) for row in rows}
        return [found.get(machine) or Feed(machine) for machine in machines]

    async def save(self, change: Change, once: Once | None = None) -> None:
        """Keeps a change, and the version after that which it was made from."""
        feed = replace(change.feed, version=change.feed.version + 1)
        now = self._clock.now()
        records = [record for fact in change.facts for record in self._records_of(feed, fact, now)]

        def work(conn: Connection) -> None:
            _keep_feed(conn, feed)
            _keep_rows(conn, feed, change)
            append(conn, OUTBOX, records, now)
            if once is not None:
                if answer_of(conn, ONCE, once, now) is not None:
                    raise changed_since(feed.machine)
                remember(conn, ONCE, once, document_of(change.comments[0]), now)

        await self._database.write(work)
        if records:
            self._wake_relay()

    async def answered(
        self,
        machine: str,  # noqa: ARG002 - a request is known here whatever it is about
        once: Once | None,
    ) -> Comment | None:
        """The comment that a request made within the last 24 hours."""
        if once is None:
            return None
        now = self._clock.now()
        answer = await self._database.get(lambda conn: answer_of(conn, ONCE, once, now))
        return None if answer is None else comment_of(answer)

    async def comment(self, feed: Feed, thread: int, reply: int) -> Comment | None:
        """One comment, or reply."""
        row = await self._one(_COMMENT, feed, thread=thread, reply=reply)
        return None if row is None else _comment(row)

    async def comments(self, feed: Feed, before: int, size: int) -> list[Comment]:
        """Comments without replies, newest first."""
        return [_comment(row) for row in await self._all(_COMMENTS, feed, before=before, size=size)]

    async def replies(self, feed: Feed, thread: int, after: int, size: int) -> list[Comment]:
        """Replies to a comment, oldest first."""
        rows = await self._all(_REPLIES, feed, thread=thread, after=after, size=size)
        return [_comment(row) for row in rows]

    async def review(self, feed: Feed, number: int) -> Review | None:
        """One review."""
        row = await self._one(_REVIEW, feed, number=number)
        return None if row is None else _review(row)

    async def review_of(self, feed: Feed, person: str) -> Review | None:
        """The review that a person wrote."""
        row = await self._one(_REVIEW_OF, feed, person=person)
        return None if row is None else _review(row)

    async def reviews(self, feed: Feed, before: int, size: int) -> list[Review]:
        """Reviews, newest first."""
        return [_review(row) for row in await self._all(_REVIEWS, feed, before=before, size=size)]

    async def vote(self, feed: Feed, person: str) -> Vote | None:
        """A person's vote."""
        row = await self._one(_VOTE, feed, person=person)
        return None if row is None else _vote(row)

    async def votes(self, feeds: Sequence[Feed], person: str) -> Mapping[str, Vote]:
        """A person's votes on several machines, by machine."""
        epochs = {feed.machine: feed.epoch for feed in feeds}
        wanted = {_ANY_OF: list(epochs), "person": person}
        rows = await self._database.get(lambda conn: conn.execute(_VOTES, wanted).all())
        return {row.machine: _vote(row) for row in rows if row.epoch == epochs[row.machine]}

    async def comments_by(self, feed: Feed, person: str, size: int) -> list[Comment]:
        """Comments and replies that a person wrote."""
        rows = await self._all(_COMMENTS_BY, feed, person=person, size=size)
        return [_comment(row) for row in rows]

    async def machines_of(self, person: str) -> list[str]:
        """The machines of whose feeds a person has a part."""
        wanted = {"person": person}
        return list(
            await self._database.read(
                lambda conn: conn.execute(_MACHINES_OF, wanted).scalars().all()
            )
        )

    async def purge(self, feed: Feed) -> None:
        """Removes all rows of earlier epochs of a feed."""
        for statement in _PURGES:
            await sweep(
                self._database, statement, {"of_machine": feed.machine, "of_epoch": feed.epoch}
            )

    async def learn(self, author: Author) -> None:
        """Keeps what a person is called, unless something newer is known."""
        row = {
            "name": author.name,
            "shown": author.shown,
            "version": author.version,
            "gone": author.gone,
        }

        def work(conn: Connection) -> None:
            known = conn.execute(_AUTHOR.with_for_update(), {"name": author.name}).first()
            if known is None or author.gone or (not known.gone and known.version < author.version):
                conn.execute(_KEEP_AUTHOR, row)

        await self._database.write(work)

    async def authors(self, people: Collection[str]) -> Mapping[str, Author]:
        """What people are called."""
        if not people:
            return {}
        wanted = {_ANY_OF: list(people)}
        rows = await self._database.get(lambda conn: conn.execute(_AUTHORS, wanted).all())
        return {row.name: Author(row.name, row.shown, row.version, row.gone) for row in rows}

    async def _one(self, statement: Any, feed: Feed, **key: Any) -> Row[Any] | None:
        wanted = {"machine": feed.machine, "epoch": feed.epoch, **key}
        return await self._database.get(lambda conn: conn.execute(statement, wanted).first())

    async def _all(self, statement: Any, feed: Feed, **key: Any) -> Sequence[Row[Any]]:
        wanted = {"machine": feed.machine, "epoch": feed.epoch, **key}
        return await self._database.read(lambda conn: conn.execute(statement, wanted).all())


def _keep_feed(conn: Connection, feed: Feed) -> None:
    row = {
        "version": feed.version,
        "epoch": feed.epoch,
        "likes": feed.likes,
        "dislikes": feed.dislikes,
        "comments": feed.comments,
        **{f"stars{place + 1}": count for place, count in enumerate(feed.stars)},
        "threads_made": feed.threads_made,
        "reviews_made": feed.reviews_made,
        "end_time": feed.end_time,
    }
    if feed.version == 1:
        try:
            conn.execute(_NEW_FEED, {"machine": feed.machine, **row})
        except IntegrityError:
            raise changed_since(feed.machine) from None
        return
    as_read = {"of_machine": feed.machine, "of_version": feed.version - 1}
    if conn.execute(_CHANGED_FEED, {**as_read, **row}).rowcount != 1:
        raise changed_since(feed.machine)


def _keep_rows(conn: Connection, feed: Feed, change: Change) -> None:
    here = {"epoch": feed.epoch}
    place = {"of_machine": feed.machine, "of_epoch": feed.epoch}
    for comment in change.comments:
        times = {"create_time": comment.create_time, "update_time": comment.update_time}
        conn.execute(_KEEP_COMMENT, {**document_of(comment), **times, **here})
    for thread, reply in change.gone_comments:
        conn.execute(_NO_COMMENT, {**place, "of_thread": thread, "of_reply": reply})
    for review in change.reviews:
        times = {"create_time": review.create_time, "update_time": review.update_time}
        conn.execute(_KEEP_REVIEW, {**review_document(review), **times, **here})
    for review in change.gone_reviews:
        conn.execute(_NO_REVIEW, {**place, "of_number": review.number})
    for vote in change.votes:
        row = {
            "machine": vote.machine,
            "person": vote.person,
            "direction": vote.direction.value,
            "update_time": vote.update_time,
        }
        conn.execute(_KEEP_VOTE, {**row, **here})
    for person in change.gone_votes:
        conn.execute(_NO_VOTE, {**place, "of_person": person})


def _feed(row: tuple[Any, ...]) -> Feed:
    (machine, version, epoch, likes, dislikes, comments, *stars, threads, reviews, ended) = row
    return Feed(
        machine,
        version,
        epoch,
        likes,
        dislikes,
        comments,
        tuple(stars),
        threads,
        reviews,
        ended,
    )


def _comment(row: Row[Any]) -> Comment:
    return comment_of(_with_millis(row))


def _review(row: Row[Any]) -> Review:
    return review_of(_with_millis(row))


def _with_millis(row: Row[Any]) -> dict[str, Any]:
    found = dict(row._mapping)  # noqa: SLF001 - the public name of it
    for name in ("create_time", "update_time"):
        found[name] = millis_of(found[name])
    return found


def _vote(row: Row[Any]) -> Vote:
    return Vote(row.machine, row.person, Direction(row.direction), row.update_time)
