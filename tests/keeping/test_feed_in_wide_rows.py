"""A keyspace of feeds goes into an archive and comes out of one, into tables and back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from servers import cassandra_keyspace, drop_cassandra

from allocctl.keeping.kept_store import open_fillable_store, open_kept_store, rows_beyond_new
from allocctl.keeping.rows import line_of
from chassis.clock import ManualClock, SystemClock
from chassis.listing import Once
from chassis.serving import Store
from chassis.sql import open_database
from feed_svc.adapters.cassandra.opening import open_keyspace
from feed_svc.adapters.feed_store.archive import dump, load
from feed_svc.adapters.feed_store.cassandra import CassandraFeedStore
from feed_svc.adapters.feed_store.sql import SqlFeedStore
from feed_svc.domain.change import Change
from feed_svc.domain.facts import CommentCreated, VotesChanged
from feed_svc.domain.feed import Author, Comment, Direction, LineReference, Review, Vote
from feed_svc.ports import FeedStore
from feed_svc.transport.mapping import records_of

pytestmark = pytest.mark.real_cassandra
SCHEMA = "feed_svc.schema"
REDIS, ADA, BOB = "machines/redis", "users/ada", "users/bob"
ALL = 2**31 - 1
NOW = ManualClock().now()
ONCE = Once.of(ADA, f"CreateComment {REDIS}", str(uuid4()), "text")


@pytest.fixture
def places(tmp_path: Path) -> Iterator[list[Store]]:
    """A keyspace, a file, and another keyspace, with nothing in them."""
    with ExitStack() as exits:
        urls = [cassandra_keyspace(), cassandra_keyspace()]
        for url in urls:
            exits.callback(drop_cassandra, url)
        file = f"sqlite:///{tmp_path}/feed.sqlite3"
        yield [Store("feed", SCHEMA, url) for url in (urls[0], file, urls[1])]


async def opened(store: Store, exits: Any) -> FeedStore:
    clock = SystemClock()
    if store.is_wide_rows:
        keyspace = await open_keyspace(store.url, SCHEMA, clock, migrate=True)
        exits.push_async_callback(keyspace.close)
        return CassandraFeedStore(keyspace, clock, records_of, lambda _machine: None)
    database = await open_database(store.url, SCHEMA, clock)
    exits.push_async_callback(database.close)
    return SqlFeedStore(database, clock, records_of, lambda: None)


def comment(thread: int, reply: int, author: str, text: str, replies: int = 0) -> Comment:
    line = LineReference("allocations/abcd", 2**40) if reply else None
    return Comment(
        machine=REDIS, thread=thread, reply=reply, uid=str(uuid4()), author=author, text=text,
        line=line, replies=replies, replies_made=replies, deleted=False, version=3,
        create_time=NOW, update_time=NOW,
    )  # fmt: skip


async def grow(store: FeedStore) -> None:
    """Says a few things, of which the last has its fact still to be published."""
    first = comment(1, 0, ADA, "Ünï 🦀", 1)
    await store.save(
        Change(
            replace(await store.feed(REDIS), threads_made=1, comments=2),
            comments=[first, comment(1, 1, BOB, "Yes.")],
            facts=[CommentCreated(first, "")],
        ),
        ONCE,
    )
    feed = await store.feed(REDIS)
    own = Review(REDIS, 1, str(uuid4()), ADA, 5, "Good.", 1, NOW, NOW)
    await store.save(
        Change(
            replace(feed.with_stars(0, 5).with_vote(None, Direction.LIKE), reviews_made=1),
            reviews=[own],
            votes=[Vote(REDIS, BOB, Direction.LIKE, NOW)],
            facts=[VotesChanged()],
        )
    )
    await store.learn(Author(ADA, "Ada", 4))
    await store.learn(Author("users/gone", "", 2, gone=True))


async def everything(store: FeedStore) -> list[Any]:
    feed = await store.feed(REDIS)
    return [
        feed,
        await store.comments(feed, ALL, 10),
        await store.replies(feed, 1, 0, 10),
        await store.reviews(feed, ALL, 10),
        await store.review_of(feed, ADA),
        await store.vote(feed, BOB),
        await store.vote(feed, ADA),
        await store.comments_by(feed, BOB, 10),
        await store.authors([ADA, "users/gone"]),
        await store.answered(REDIS, ONCE),
        sorted(await store.machines_of(ADA)),
    ]


def moved(source: Store, target: Store, folder: Path) -> dict[str, int]:
    """Takes everything from one store to another as an archive would; how many rows of each table."""
    counts = {}
    with open_kept_store(source, folder) as kept:
        assert kept.revision is not None
        with open_fillable_store(target, folder) as fillable:
            fillable.begin(kept.revision)
            for shape in kept.shapes():
                lines = [orjson.loads(line_of(row, shape.kinds)) for row in kept.rows(shape)]
                counts[shape.name] = fillable.load(shape.name, shape.kinds, lines)
            fillable.finish()
    return counts


def test_a_feed_goes_from_one_kind_of_store_to_another_and_back(
    places: list[Store], tmp_path: Path
) -> None:
    wide, file, other = places
    with open_kept_store(wide, tmp_path) as kept:
        assert kept.revision is None
        assert dict(kept.counts()) == {}

    async def begin() -> list[Any]:
        async with AsyncExitStack() as exits:
            store = await opened(wide, exits)
            await grow(store)
            return await everything(store)

    async def read(place: Store) -> list[Any]:
        async with AsyncExitStack() as exits:
            return await everything(await opened(place, exits))

    said = asyncio.run(begin())
    counts = moved(wide, file, tmp_path)
    assert counts == {
        "authors": 2, "comments": 2, "feeds": 1, "once": 1, "outbox": 4, "reviews": 1, "votes": 1
    }  # fmt: skip
    assert asyncio.run(read(file)) == said
    assert moved(file, other, tmp_path) == counts
    assert asyncio.run(read(other)) == said
    with open_kept_store(other, tmp_path) as kept:
        assert rows_beyond_new(other, kept) == counts

    async def goes_on() -> None:
        async with AsyncExitStack() as exits:
            store = await opened(other, exits)
            feed = await store.feed(REDIS)
            later = comment(2, 0, BOB, "Later.")
            changed = replace(feed, threads_made=2, comments=3)
            await store.save(Change(changed, comments=[later]))
            feed = await store.feed(REDIS)
            assert [one.thread for one in await store.comments(feed, ALL, 10)] == [2, 1]
            assert feed.version == said[0].version + 1

    asyncio.run(goes_on())


def test_a_feed_that_changes_all_the_time_is_kept_with_the_numbers_of_its_rows(
    places: list[Store],
) -> None:
    wide, _, other = places

    async def run() -> None:
        async with AsyncExitStack() as exits:
            store = await opened(wide, exits)
            await grow(store)
            keyspace = await open_keyspace(wide.url, SCHEMA, SystemClock(), migrate=False)
            exits.push_async_callback(keyspace.close)
            voting, done = asyncio.Event(), asyncio.Event()
            writer = asyncio.create_task(vote_on(store, voting, done))
            async with asyncio.timeout(60):
                await voting.wait()
                found = [rows async for rows in dump(keyspace, SystemClock())]
            done.set()
            await writer
            rows = next(some for some in found if some.get("feeds"))
            [feed] = rows["feeds"]
            ways = [row["direction"] for row in rows["votes"]]
            assert (feed["likes"], feed["dislikes"]) == (ways.count("LIKE"), ways.count("DISLIKE"))
            assert (feed["comments"], feed["stars5"]) == (2, 1)
            assert all(int(row["headers"]["version"]) <= feed["version"] for row in rows["outbox"])
            # More than a batch may hold.
            large = {**rows["outbox"][-1], "value": b"x" * 200_000}
            rows = {**rows, "outbox": [*rows["outbox"], large]}
            there = await open_keyspace(other.url, SCHEMA, SystemClock(), migrate=True)
            exits.push_async_callback(there.close)
            await load(there, SystemClock(), rows)
            restored = await (await opened(other, exits)).feed(REDIS)
            assert (restored.version, restored.likes) == (feed["version"], feed["likes"])

    asyncio.run(run())


async def vote_on(store: FeedStore, voting: asyncio.Event, done: asyncio.Event) -> None:
    """Has one person after the other vote, without a pause."""
    number = 0
    while not done.is_set():
        number += 1
        way = Direction.LIKE if number % 3 else Direction.DISLIKE
        vote = Vote(REDIS, f"users/voter{number}", way, NOW)
        feed = (await store.feed(REDIS)).with_vote(None, way)
        await store.save(Change(feed, votes=[vote], facts=[VotesChanged()]))
        voting.set()
