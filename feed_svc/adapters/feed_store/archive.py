"""Feeds in a keyspace as rows of the tables that SQL has: for archives, and for moving from one to the other."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chassis.clock import Clock, instant_of, millis_of
from feed_svc.adapters.cassandra.session import Keyspace, Parameters
from feed_svc.adapters.feed_store.cassandra import (
    ANSWERED,
    FACT,
    CassandraFeedStore,
    change_statements,
)
from feed_svc.adapters.feed_store.document import (
    comment_of,
    document_of,
    review_document,
    review_of,
)
from feed_svc.adapters.feed_store.wide_rows import PARTS_OF_PEOPLE, pending_of, writes_of
from feed_svc.domain.change import Change
from feed_svc.domain.feed import DELETED, MOST_REPLIES, Author, Comment, Direction, Feed, Vote

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows by the table that they are of, as SQL gives and takes them; of an outbox without their numbers."""

_MACHINES = "SELECT DISTINCT machine FROM feeds"
_AUTHORS = "SELECT name, shown, version, gone FROM authors"
_FACTS = (
    "SELECT id, topic, value, headers FROM feeds WHERE machine = ? AND kind = 'fact' AND id > ?"
)
_PUBLISHED = "SELECT published, id FROM feeds WHERE machine = ? AND kind = 'head' AND id = ''"
_ANSWERS = (
    "SELECT id, fingerprint, answer, TTL(answer) FROM feeds WHERE machine = ? AND kind = 'once'"
)
_VOTES = (
    "SELECT person, direction, vote_time FROM standings "
    "WHERE machine = ? AND epoch = ? AND part = ?"
)
_CONTRIBUTES = "INSERT INTO contributions (person, machine) VALUES (?, ?)"
_AT_ONCE = 500
_WRITES_AT_ONCE = 100
_DAY_SECONDS = 24 * 3600
_ABOVE_ALL = 2**31 - 1
_TRIES = 3


async def dump(keyspace: Keyspace, clock: Clock) -> AsyncIterator[Rows]:
    """The rows of each machine, all of one moment; and, in the end, the names of authors.

    Args:
        keyspace: at the newest schema; others may write meanwhile.
        clock: tells when.

    Raises:
        Unavailable: no server answers.
    """
    store = CassandraFeedStore(keyspace, clock, lambda *_: (), lambda _machine: None)
    for (machine,) in await keyspace.rows(_MACHINES):
        feed, rows = await _at_one_moment(keyspace, store, machine)
        # Read last: what is not there any more is on the bus.
        waiting = await _waiting(keyspace, feed, clock)
        yield {"feeds": [_feed_row(feed)], **rows, **waiting}
    authors = await keyspace.rows(_AUTHORS)
    yield {
        "authors": [
            {"name": name, "shown": shown, "version": version, "gone": gone}
            for name, shown, version, gone in authors
        ]
    }


async def load(keyspace: Keyspace, clock: Clock, rows: Rows) -> None:
    """Writes the rows of one machine, or names of authors, into a keyspace that has none of them.

    Args:
        keyspace: at the newest schema; nobody else may write.
        clock: tells when.
        rows: all of a machine at once; its row of `feeds` is among them.

    Raises:
        Unavailable: no server answers; start again with an empty keyspace.
    """
    store = CassandraFeedStore(keyspace, clock, lambda *_: (), lambda _machine: None)
    for row in rows.get("feeds", ()):
        feed = _feed_of(row)
        change = _change_of(feed, rows)
        writes: list[tuple[str, Parameters]] = list(
            writes_of(feed.machine, pending_of(change, feed.version))
        )
        people = {one.author for one in change.comments} | {one.author for one in change.reviews}
        people |= {vote.person for vote in change.votes}
        writes += [(_CONTRIBUTES, [person, feed.machine]) for person in people - {"", DELETED}]
        for begin in range(0, len(writes), _WRITES_AT_ONCE):
            some = writes[begin : begin + _WRITES_AT_ONCE]
            await asyncio.gather(*(keyspace.write(*write) for write in some))
        await _wait_again(keyspace, feed, rows, clock)
        # The numbers come last: without them there is no feed.
        nothing = pending_of(Change(feed), feed.version)
        await keyspace.apply(change_statements(feed, nothing, former=0))
    for row in rows.get("authors", ()):
        await store.learn(Author(row["name"], row["shown"], row["version"], row["gone"]))


async def _at_one_moment(
    keyspace: Keyspace, store: CassandraFeedStore, machine: str
) -> tuple[Feed, Rows]:
    """A feed and its rows; counted from the rows where so many write that there is no quiet moment."""
    tries = 0
    while True:
        tries += 1
        before = await store.feed(machine)
        rows = await _of_machine(keyspace, store, before)
        feed = await store.feed(machine)
        if feed.version == before.version:
            return feed, rows
        if tries >= _TRIES and feed.epoch == before.epoch:
            return recounted(feed, rows)


def recounted(feed: Feed, rows: Rows) -> tuple[Feed, Rows]:
    """A feed with the numbers of rows that were read while others wrote.

    Args:
        feed: as it was after its rows were read.
        rows: comments, reviews and votes, each as it was when it was read.
    """
    replies = Counter(row["thread"] for row in rows["comments"] if row["reply"])
    newest = {row["thread"]: row["reply"] for row in rows["comments"]}
    comments = [
        row
        if row["reply"]
        else {
            **row,
            "replies": replies[row["thread"]],
            "replies_made": max(row["replies_made"], newest[row["thread"]]),
        }
        for row in rows["comments"]
    ]
    votes = Counter(row["direction"] for row in rows["votes"])
    stars = Counter(row["stars"] for row in rows["reviews"])
    counted = replace(
        feed,
        likes=votes[Direction.LIKE.value],
        dislikes=votes[Direction.DISLIKE.value],
        comments=sum(not row["deleted"] for row in comments),
        stars=tuple(stars[one] for one in range(1, 6)),
    )
    return counted, {**rows, "comments": comments}


async def _of_machine(keyspace: Keyspace, store: CassandraFeedStore, feed: Feed) -> Rows:
    machine, epoch = feed.machine, feed.epoch
    comments: list[Comment] = []
    before = _ABOVE_ALL
    while some := await store.comments(feed, before, _AT_ONCE):
        for comment in some:
            comments.append(comment)
            if comment.replies_made:
                comments += await store.replies(feed, comment.thread, 0, MOST_REPLIES)
        before = some[-1].thread
    reviews = await store.reviews(feed, _ABOVE_ALL, _ABOVE_ALL)
    votes = [
        (person, direction, time)
        for part in range(PARTS_OF_PEOPLE)
        for person, direction, time in await keyspace.rows(_VOTES, [machine, epoch, part])
        if direction
    ]
    return {
        "comments": [_timed(document_of(one), epoch) for one in comments],
        "reviews": [_timed(review_document(one), epoch) for one in reviews],
        "votes": [
            {
                "machine": machine,
                "epoch": epoch,
                "person": person,
                "direction": direction,
                "update_time": instant_of(time),
            }
            for person, direction, time in votes
        ],
    }


async def _waiting(keyspace: Keyspace, feed: Feed, clock: Clock) -> Rows:
    """What was answered, and what waits to be published of a feed up to its version."""
    machine = feed.machine
    published = await keyspace.one(_PUBLISHED, [machine])
    facts = await keyspace.rows(_FACTS, [machine, f"{(published and published[0]) or 0:019d}"])
    answers = await keyspace.rows(_ANSWERS, [machine])
    now = clock.now()
    return {
        "once": [
            {
                **_asked(known_by),
                "fingerprint": fingerprint,
                "answer": json.loads(answer),
                "time": now - timedelta(seconds=_DAY_SECONDS - (left or 0)),
            }
            for known_by, fingerprint, answer, left in answers
            if known_by.startswith("asked ")
        ],
        "outbox": [
            {
                "topic": topic,
                "key": machine,
                "value": bytes(value),
                "headers": json.loads(headers),
                "time": now,
            }
            for known_by, topic, value, headers in facts
            if int(known_by.partition("-")[0]) <= feed.version
        ],
    }


def _change_of(feed: Feed, rows: Rows) -> Change:
    here = [row for row in rows.get("comments", ()) if row["epoch"] == feed.epoch]
    reviewed = [row for row in rows.get("reviews", ()) if row["epoch"] == feed.epoch]
    voted = [row for row in rows.get("votes", ()) if row["epoch"] == feed.epoch]
    return Change(
        feed,
        comments=[comment_of(_with_millis(row)) for row in here],
        reviews=[review_of(_with_millis(row)) for row in reviewed],
        votes=[
            Vote(feed.machine, row["person"], Direction(row["direction"]), row["update_time"])
            for row in voted
        ],
    )


async def _wait_again(keyspace: Keyspace, feed: Feed, rows: Rows, clock: Clock) -> None:
    """Writes what waits to be published and what was answered, one by one: a batch may not be large."""
    for place, row in enumerate(rows.get("outbox", ())):
        # After all that was ever published, and before what comes next.
        version = int(row["headers"].get("version", feed.version))
        key = f"{version:019d}-{place:06d}"
        headers = json.dumps(dict(row["headers"]))
        await keyspace.write(FACT, [feed.machine, key, row["topic"], row["value"], headers])
    now = clock.now()
    for row in rows.get("once", ()):
        left = _DAY_SECONDS - int((now - row["time"]).total_seconds())
        if left > 0:
            known_by = f"asked {row['method']} {row['request_id']} {row['caller']}"
            answer = json.dumps(row["answer"])
            kept = [feed.machine, known_by, row["fingerprint"], answer, left]
            await keyspace.apply([(ANSWERED, kept)])


def _feed_row(feed: Feed) -> dict[str, Any]:
    return {
        "machine": feed.machine,
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


def _feed_of(row: Mapping[str, Any]) -> Feed:
    stars = tuple(row[f"stars{place}"] for place in range(1, 6))
    plain = {name: value for name, value in row.items() if not name.startswith("stars")}
    return replace(Feed(**plain), stars=stars)


def _timed(document: dict[str, Any], epoch: int) -> dict[str, Any]:
    times = {name: instant_of(document[name]) for name in ("create_time", "update_time")}
    return {**document, **times, "epoch": epoch}


def _with_millis(row: Mapping[str, Any]) -> dict[str, Any]:
    times = {name: millis_of(row[name]) for name in ("create_time", "update_time")}
    return {**row, **times}


def _asked(known_by: str) -> dict[str, str]:
    """The request of an answer: `asked CreateComment machines/redis UUID users/ada`."""
    _, what, about, request_id, caller = known_by.split(" ", 4)
    return {"caller": caller, "method": f"{what} {about}", "request_id": request_id}
