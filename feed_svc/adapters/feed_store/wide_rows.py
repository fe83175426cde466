"""The rows of a feed in Cassandra: where each is, and how a change reaches them.

A row is written with the version of its feed as time stamp. So of two changes of a row the later one
counts, in whatever order and however often they are written.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Any
from zlib import crc32

from chassis.clock import millis_of
from feed_svc.adapters.cassandra.session import Keyspace, Parameters, Row
from feed_svc.adapters.feed_store.document import (
    comment_of,
    document_of,
    review_document,
    review_of,
)
from feed_svc.domain.change import Change
from feed_svc.domain.feed import DELETED, MOST_REPLIES, Comment, Feed, Review

ROWS_OF_PART = 128
"""How many comments, or reviews, are in one partition."""

PARTS_OF_PEOPLE = 64
"""In how many partitions the votes of a machine are."""

_OF_COMMENT = (
    "uid",
    "author",
    "text",
    "line_allocation",
    "line_cursor",
    "replies",
    "replies_made",
    "deleted",
    "version",
    "create_time",
    "update_time",
)
_OF_REVIEW = ("uid", "author", "stars", "text", "version", "create_time", "update_time")


def _insert(table: str, key: Sequence[str], columns: Sequence[str]) -> str:
    names = [*key, *columns]
    marks = ", ".join("?" * len(names))
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks}) USING TIMESTAMP ?"  # noqa: S608


def _select(table: str, columns: Sequence[str], where: str) -> str:
    return f"SELECT {', '.join(columns)} FROM {table} WHERE {where}"  # noqa: S608


_COMMENT_KEY = ("machine", "epoch", "part", "thread")
_REPLY_KEY = ("machine", "epoch", "thread", "reply")
_REVIEW_KEY = ("machine", "epoch", "part", "number")
_PART = "machine = ? AND epoch = ? AND part = ?"
_THREAD = "machine = ? AND epoch = ? AND thread = ?"

KEEP_COMMENT = _insert("comments", _COMMENT_KEY, _OF_COMMENT)
KEEP_REPLY = _insert("replies", _REPLY_KEY, _OF_COMMENT)
KEEP_REVIEW = _insert("reviews", _REVIEW_KEY, _OF_REVIEW)
KEEP_VOTE = _insert("standings", ("machine", "epoch", "part", "person"), ("direction", "vote_time"))
KEEP_OWN_REVIEW = _insert("standings", ("machine", "epoch", "part", "person"), ("review",))
NO_COMMENT = f"DELETE FROM comments USING TIMESTAMP ? WHERE {_PART} AND thread = ?"  # noqa: S608
NO_REPLY = f"DELETE FROM replies USING TIMESTAMP ? WHERE {_THREAD} AND reply = ?"  # noqa: S608
NO_REVIEW = f"DELETE FROM reviews USING TIMESTAMP ? WHERE {_PART} AND number = ?"  # noqa: S608
NO_VOTE = (
    f"DELETE direction, vote_time FROM standings USING TIMESTAMP ? WHERE {_PART} AND person = ?"
)
NO_OWN_REVIEW = f"DELETE review FROM standings USING TIMESTAMP ? WHERE {_PART} AND person = ?"
NO_STANDING = f"DELETE FROM standings USING TIMESTAMP ? WHERE {_PART} AND person = ?"  # noqa: S608
NO_CONTRIBUTION = "DELETE FROM contributions WHERE person = ? AND machine = ?"

_COMMENT = _select("comments", ("thread", *_OF_COMMENT), f"{_PART} AND thread = ?")
_COMMENTS = _select("comments", ("thread", *_OF_COMMENT), f"{_PART} AND thread < ? LIMIT ?")
_THREADS = _select("comments", ("thread", "replies_made"), _PART)
_REPLY = _select("replies", ("thread", "reply", *_OF_COMMENT), f"{_THREAD} AND reply = ?")
_REPLIES = _select("replies", ("thread", "reply", *_OF_COMMENT), f"{_THREAD} AND reply > ? LIMIT ?")
_REVIEW = _select("reviews", ("number", *_OF_REVIEW), f"{_PART} AND number = ?")
_REVIEWS = _select("reviews", ("number", *_OF_REVIEW), f"{_PART} AND number < ? LIMIT ?")
_STANDING = _select("standings", ("direction", "vote_time", "review"), f"{_PART} AND person = ?")
_VOTES = _select(
    "standings",
    ("machine", "direction", "vote_time"),
    "machine IN ? AND epoch = ? AND part = ? AND person = ?",
)
_PURGES = [
    f"DELETE FROM {table} USING TIMESTAMP ? WHERE {_PART}"  # noqa: S608
    for table in ("comments", "reviews")
]
_PURGE_PEOPLE = f"DELETE FROM standings USING TIMESTAMP ? WHERE {_PART}"  # noqa: S608
_PURGE_REPLIES = f"DELETE FROM replies USING TIMESTAMP ? WHERE {_THREAD}"  # noqa: S608

_PURGED_AT_ONCE = 32


def part_of(number: int) -> int:
    """In which partition a comment or a review is."""
    return (number - 1) // ROWS_OF_PART


def part_of_person(person: str) -> int:
    """In which partition the vote of a person is."""
    return crc32(person.encode()) % PARTS_OF_PEOPLE


def pending_of(change: Change, version: int) -> str:
    """The rows of a change, as they are kept with it until they are where they belong.

    Args:
        change: what differs.
        version: of the feed, after it.
    """
    return json.dumps(
        {
            "version": version,
            "epoch": change.feed.epoch,
            "comments": [document_of(comment) for comment in change.comments],
            "gone_comments": [list(place) for place in change.gone_comments],
            "reviews": [review_document(review) for review in change.reviews],
            "gone_reviews": [[one.number, one.author] for one in change.gone_reviews],
            "votes": [
                [vote.person, vote.direction.value, millis_of(vote.update_time)]
                for vote in change.votes
            ],
            "gone_votes": list(change.gone_votes),
            "gone_people": list(change.gone_people),
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def writes_of(machine: str, pending: str) -> Iterator[tuple[str, Parameters]]:
    """The statements that bring the rows of a change to where they belong."""
    rows = json.loads(pending)
    stamp, epoch = rows["version"], rows["epoch"]
    for row in rows["comments"]:
        values = [row[name] for name in _OF_COMMENT]
        thread, reply = row["thread"], row["reply"]
        if reply:
            yield KEEP_REPLY, [machine, epoch, thread, reply, *values, stamp]
        else:
            yield KEEP_COMMENT, [machine, epoch, part_of(thread), thread, *values, stamp]
    for thread, reply in rows["gone_comments"]:
        if reply:
            yield NO_REPLY, [stamp, machine, epoch, thread, reply]
        else:
            yield NO_COMMENT, [stamp, machine, epoch, part_of(thread), thread]
    for row in rows["reviews"]:
        values = [row[name] for name in _OF_REVIEW]
        number, author = row["number"], row["author"]
        yield KEEP_REVIEW, [machine, epoch, part_of(number), number, *values, stamp]
        if author != DELETED:
            place = [machine, epoch, part_of_person(author), author]
            yield KEEP_OWN_REVIEW, [*place, number, stamp]
    for number, author in rows["gone_reviews"]:
        yield NO_REVIEW, [stamp, machine, epoch, part_of(number), number]
        yield NO_OWN_REVIEW, [stamp, machine, epoch, part_of_person(author), author]
    for person, direction, time in rows["votes"]:
        place = [machine, epoch, part_of_person(person), person]
        yield KEEP_VOTE, [*place, direction, time, stamp]
    for person in rows["gone_votes"]:
        yield NO_VOTE, [stamp, machine, epoch, part_of_person(person), person]
    for person in rows["gone_people"]:
        yield NO_STANDING, [stamp, machine, epoch, part_of_person(person), person]
        yield NO_CONTRIBUTION, [person, machine]


class FeedRows:
    """Reads the rows of feeds."""

    def __init__(self, keyspace: Keyspace) -> None:
        """Works on an open keyspace."""
        self._keyspace = keyspace

    async def comment(self, feed: Feed, thread: int, reply: int) -> Comment | None:
        """One comment, or reply."""
        if reply:
            row = await self._keyspace.one(_REPLY, [feed.machine, feed.epoch, thread, reply])
            return None if row is None else _comment(feed, row)
        place = [feed.machine, feed.epoch, part_of(thread), thread]
        row = await self._keyspace.one(_COMMENT, place)
        return None if row is None else _comment(feed, _without_reply(row))

    async def comments(self, feed: Feed, before: int, size: int) -> list[Comment]:
        """Comments without replies, newest first."""
        rows = await self._newest(_COMMENTS, feed, feed.threads_made, before, size)
        return [_comment(feed, _without_reply(row)) for row in rows]

    async def replies(self, feed: Feed, thread: int, after: int, size: int) -> list[Comment]:
        """Replies to a comment, oldest first."""
        wanted = [feed.machine, feed.epoch, thread, after, size]
        return [_comment(feed, row) for row in await self._keyspace.rows(_REPLIES, wanted)]

    async def review(self, feed: Feed, number: int) -> Review | None:
        """One review."""
        place = [feed.machine, feed.epoch, part_of(number), number]
        row = await self._keyspace.one(_REVIEW, place)
        return None if row is None else _review(feed, row)

    async def reviews(self, feed: Feed, before: int, size: int) -> list[Review]:
        """Reviews, newest first."""
        rows = await self._newest(_REVIEWS, feed, feed.reviews_made, before, size)
        return [_review(feed, row) for row in rows]

    async def votes(self, feeds: Sequence[Feed], person: str) -> list[Row]:
        """Machine, direction and time of each vote of a person; without direction where it was taken back."""
        of_epoch: dict[int, list[str]] = {}
        for feed in feeds:
            of_epoch.setdefault(feed.epoch, []).append(feed.machine)
        found = await asyncio.gather(
            *(
                self._keyspace.rows(_VOTES, [machines, epoch, part_of_person(person), person])
                for epoch, machines in of_epoch.items()
            )
        )
        return [row for rows in found for row in rows]

    async def standing(self, feed: Feed, person: str) -> Row | None:
        """A person's vote, its time, and the number of their review, each None where there is none."""
        place = [feed.machine, feed.epoch, part_of_person(person), person]
        return await self._keyspace.one(_STANDING, place)

    async def comments_by(self, feed: Feed, person: str, size: int) -> list[Comment]:
        """Comments and replies that a person wrote."""
        found: list[Comment] = []
        for part in range(part_of(feed.threads_made) + 1 if feed.threads_made else 0):
            wanted = [feed.machine, feed.epoch, part, (part + 1) * ROWS_OF_PART + 1, ROWS_OF_PART]
            rows = await self._keyspace.rows(_COMMENTS, wanted)
            comments = [_comment(feed, _without_reply(row)) for row in rows]
            answered = [comment.thread for comment in comments if comment.replies]
            replies = await asyncio.gather(
                *(self.replies(feed, thread, 0, MOST_REPLIES) for thread in answered)
            )
            written = (*comments, *(one for some in replies for one in some))
            found += [comment for comment in written if comment.author == person]
            if len(found) >= size:
                return found[:size]
        return found

    async def purge(self, feed: Feed, epoch: int) -> None:
        """Removes the rows of an earlier epoch."""
        stamp, machine = feed.version, feed.machine
        for part in range(part_of(feed.threads_made) + 1 if feed.threads_made else 0):
            rows = await self._keyspace.rows(_THREADS, [machine, epoch, part])
            answered = [thread for thread, made in rows if made]
            for begin in range(0, len(answered), _PURGED_AT_ONCE):
                await asyncio.gather(
                    *(
                        self._keyspace.write(_PURGE_REPLIES, [stamp, machine, epoch, thread])
                        for thread in answered[begin : begin + _PURGED_AT_ONCE]
                    )
                )
            # After their replies, which are found by them.
            await self._keyspace.write(_PURGES[0], [stamp, machine, epoch, part])
        for part in range(part_of(feed.reviews_made) + 1 if feed.reviews_made else 0):
            await self._keyspace.write(_PURGES[1], [stamp, machine, epoch, part])
        await asyncio.gather(
            *(
                self._keyspace.write(_PURGE_PEOPLE, [stamp, machine, epoch, part])
                for part in range(PARTS_OF_PEOPLE)
            )
        )

    async def _newest(
        self, statement: str, feed: Feed, made: int, before: int, size: int
    ) -> list[Row]:
        """Rows of one partition after the other, from the newest one on."""
        found: list[Row] = []
        newest = min(before - 1, made)
        part = part_of(newest) if newest > 0 else -1
        while part >= 0 and len(found) < size:
            wanted = [feed.machine, feed.epoch, part, before, size - len(found)]
            found += await self._keyspace.rows(statement, wanted)
            part -= 1
        return found


def _without_reply(row: Row) -> Row:
    thread, *others = row
    return (thread, 0, *others)


def _comment(feed: Feed, row: Row) -> Comment:
    thread, reply, *values = row
    document: dict[str, Any] = dict(zip(_OF_COMMENT, values, strict=True))
    return comment_of({"machine": feed.machine, "thread": thread, "reply": reply, **document})


def _review(feed: Feed, row: Row) -> Review:
    number, *values = row
    document: dict[str, Any] = dict(zip(_OF_REVIEW, values, strict=True))
    return review_of({"machine": feed.machine, "number": number, **document})
