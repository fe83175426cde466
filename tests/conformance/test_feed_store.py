"""The store of feeds, as its port promises it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from chassis.bus import Bus, Record, open_bus
from chassis.bus.outbox import Publishing, Relay
from chassis.clock import ManualClock, SystemClock
from chassis.faults import Conflict
from chassis.listing import Once
from chassis.sql import assert_schema_matches, open_database
from feed_svc.adapters.cassandra.opening import open_keyspace
from feed_svc.adapters.cassandra.outbox import CassandraRelay
from feed_svc.adapters.feed_store.cassandra import CassandraFeedStore
from feed_svc.adapters.feed_store.sql import SqlFeedStore
from feed_svc.domain.change import Change
from feed_svc.domain.facts import (
    CommentCreated,
    FeedRemoved,
    ReviewWritten,
    VotesChanged,
)
from feed_svc.domain.faults import FeedChanged
from feed_svc.domain.feed import (
    DELETED,
    MOST_REPLIES,
    Author,
    Comment,
    Direction,
    Feed,
    LineReference,
    Review,
    Vote,
)
from feed_svc.ports import FeedStore
from feed_svc.schema.tables import METADATA, OUTBOX
from feed_svc.transport.mapping import records_of
from feed_svc.usecases.changing import Changing, Decision
from tests.servers import cassandra_keyspace, drop_cassandra
from tests.sql_places import SQL_ENGINES, SqlPlace

PATIENCE = 20.0
ENGINES = (*SQL_ENGINES, pytest.param("cassandra", marks=pytest.mark.real_cassandra))
ALL = 2**31 - 1
CLOCK = ManualClock()


@pytest.fixture(scope="session")
def keyspace() -> Iterator[str]:
    """The URL of one keyspace; to make its tables costs more than to leave others' rows alone."""
    with ExitStack() as exits:
        url = cassandra_keyspace()
        exits.callback(drop_cassandra, url)
        yield url


@dataclass
class Opened:
    """A store, and what it is opened with again.

    Each test has machines and people of its own, so that it may find others' rows.
    """

    url: str
    folder: Path
    exits: AsyncExitStack
    clock: ManualClock = field(default_factory=ManualClock)
    mark: str = field(default_factory=lambda: uuid4().hex[:10])
    wakes: list[str] = field(default_factory=list)

    @property
    def machine(self) -> str:
        return self.machine_named("a")

    def machine_named(self, name: str) -> str:
        return f"machines/{name}-{self.mark}"

    def person(self, name: str) -> str:
        return f"users/{name}-{self.mark}"

    async def open(self) -> FeedStore:
        """Opens the same store each time."""
        return (await self.open_with_relay(None))[0]

    async def open_with_relay(self, bus: Bus | None) -> tuple[FeedStore, Publishing | None]:
        """Opens the same store, and what publishes from it onto a bus."""
        if self.url.startswith("cassandra"):
            keyspace = await open_keyspace(self.url, "feed_svc.schema", SystemClock(), migrate=True)
            self.exits.push_async_callback(keyspace.close)
            store = CassandraFeedStore(keyspace, self.clock, records_of, self.wakes.append)
            return store, bus and CassandraRelay(keyspace, bus, SystemClock())
        database = await open_database(self.url, "feed_svc.schema", self.clock)
        self.exits.push_async_callback(database.close)
        return (
            SqlFeedStore(database, self.clock, records_of, lambda: self.wakes.append(self.machine)),
            bus and Relay(database, OUTBOX, bus, self.clock),
        )

    async def published(self, topic: str, count: int) -> list[Record]:
        """What of this test reaches the bus, once it is that much."""
        bus = await open_bus(f"sqlite:///{self.folder}/bus.sqlite3", self.clock)
        _, relay = await self.open_with_relay(bus)
        assert relay is not None
        had: list[Record] = []
        enough = asyncio.Event()

        async def effect(record: Record) -> None:
            if record.key.endswith(self.mark):
                had.append(record)
            if len(had) >= count:
                enough.set()

        try:
            assert await relay.flush(PATIENCE)
            reading = asyncio.ensure_future(bus.consume("test", [topic], effect))
            async with asyncio.timeout(PATIENCE):
                await enough.wait()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        finally:
            await bus.close()
        return had


@pytest.fixture(params=ENGINES)
async def opened(
    request: pytest.FixtureRequest, tmp_path: Path, sql_place: SqlPlace
) -> AsyncIterator[Opened]:
    """How to open a store."""
    if request.param == "cassandra":
        url = request.getfixturevalue("keyspace")
    else:
        url = sql_place(request.param, "feed_svc.schema")
    async with AsyncExitStack() as exits:
        yield Opened(url, tmp_path, exits)


@pytest.fixture
async def store(opened: Opened) -> FeedStore:
    return await opened.open()


def comment(machine: str, thread: int, reply: int = 0, **parts: object) -> Comment:
    now = CLOCK.now()
    given = {
        "uid": str(uuid4()), "author": "users/ada", "text": "Good.", "line": None, "replies": 0,
        "replies_made": 0, "deleted": False, "version": 1, "create_time": now, "update_time": now,
        **parts,
    }  # fmt: skip
    return Comment(machine, thread, reply, **given)  # type: ignore[arg-type]


def review(machine: str, number: int, author: str, stars: int = 4, **parts: object) -> Review:
    now = CLOCK.now()
    given = {"text": "", "version": 1, "create_time": now, "update_time": now, **parts}
    return Review(machine, number, str(uuid4()), author, stars, **given)  # type: ignore[arg-type]


async def say(store: FeedStore, machine: str, count: int = 1, **parts: object) -> list[Comment]:
    """Keeps comments, each by a change of its own."""
    made = []
    for _ in range(count):
        feed = await store.feed(machine)
        one = comment(machine, feed.threads_made + 1, **parts)
        await store.save(
            Change(
                replace(feed, threads_made=one.thread, comments=feed.comments + 1),
                comments=[one],
                facts=[CommentCreated(one, "")],
            )
        )
        made.append(one)
    return made


async def vote(
    store: FeedStore, changing: Changing, machine: str, person: str, way: Direction | None
) -> None:
    """Votes as the use case does."""

    async def decide(feed: Feed) -> Decision[None]:
        former = await store.vote(feed, person)
        if (former and former.direction) is way:
            return None, None
        changed = feed.with_vote(former.direction if former else None, way)
        given = [Vote(machine, person, way, CLOCK.now())] if way else []
        gone = [] if way else [person]
        return Change(changed, votes=given, gone_votes=gone, facts=[VotesChanged()]), None

    await changing.change(machine, decide)


async def test_there_is_nothing_at_first(opened: Opened, store: FeedStore) -> None:
    machine, person = opened.machine, opened.person("ada")
    feed = await store.feed(machine)
    assert feed == Feed(machine)
    assert await store.feeds([machine]) == [feed]
    assert await store.comment(feed, 1, 0) is None
    assert await store.comments(feed, ALL, 10) == []
    assert await store.replies(feed, 1, 0, 10) == []
    assert await store.review(feed, 1) is None
    assert await store.review_of(feed, person) is None
    assert await store.reviews(feed, ALL, 10) == []
    assert await store.vote(feed, person) is None
    assert await store.votes([feed], person) == {}
    assert await store.comments_by(feed, person, 10) == []
    assert await store.machines_of(person) == []
    assert await store.authors([person]) == {}
    assert await store.authors([]) == {}
    await store.purge(feed)


async def test_a_comment_comes_back_as_it_was_kept(opened: Opened, store: FeedStore) -> None:
    full = {
        "text": "Ünïcode 🦀 \" ' \\ \u2028 \u202e \t\r\n %s ? $1 {}",
        "line": LineReference("allocations/abcd", 2**62),
        "version": 7,
        "author": opened.person("ada"),
        "update_time": CLOCK.now() + timedelta(milliseconds=1),
    }
    (made,) = await say(store, opened.machine, **full)
    reopened = await opened.open()
    feed = await reopened.feed(opened.machine)
    assert (feed.version, feed.comments, feed.threads_made) == (1, 1, 1)
    assert await reopened.comment(feed, 1, 0) == made
    assert await reopened.comments(feed, ALL, 10) == [made]


async def test_the_largest_texts_are_kept(opened: Opened, store: FeedStore) -> None:
    machine = opened.machine
    feed = await store.feed(machine)
    many = [comment(machine, n + 1, text="🦀" * 4000) for n in range(64)]
    await store.save(Change(replace(feed, threads_made=64, comments=64), comments=many))
    feed = await store.feed(machine)
    assert await store.comments(feed, ALL, 100) == many[::-1]


async def test_pages_are_newest_first_while_others_write(opened: Opened, store: FeedStore) -> None:
    machine = opened.machine
    feed = await store.feed(machine)
    for begin in range(0, 192, 64):
        some = [comment(machine, begin + n + 1) for n in range(64)]
        changed = replace(feed, threads_made=begin + 64, comments=begin + 64)
        await store.save(Change(changed, comments=some))
        feed = await store.feed(machine)
    seen: list[int] = []
    before = ALL
    while page := await store.comments(feed, before, 50):
        seen += [one.thread for one in page]
        before = seen[-1]
        await say(store, machine)
    assert seen == list(range(192, 0, -1))
    # In the place of one that is gone comes none.
    feed = await store.feed(machine)
    await store.save(Change(feed, gone_comments=[(100, 0)]))
    assert [one.thread for one in await store.comments(feed, 102, 2)] == [101, 99]


async def test_replies_are_read_in_order(opened: Opened, store: FeedStore) -> None:
    machine = opened.machine
    (parent,) = await say(store, machine)
    feed = await store.feed(machine)
    replies = [comment(machine, 1, n + 1) for n in range(5)]
    parent = replace(parent, replies=5, replies_made=5)
    await store.save(Change(replace(feed, comments=6), comments=[*replies, parent]))
    feed = await store.feed(machine)
    assert await store.replies(feed, 1, 0, 3) == replies[:3]
    assert await store.replies(feed, 1, 3, MOST_REPLIES) == replies[3:]
    assert await store.comments(feed, ALL, 10) == [parent]
    assert await store.comment(feed, 1, 4) == replies[3]
    await store.save(Change(feed, gone_comments=[(1, 4)]))
    assert await store.comment(feed, 1, 4) is None
    assert await store.replies(feed, 1, 2, 10) == [replies[2], replies[4]]


async def test_a_review_is_found_by_number_and_by_author(opened: Opened, store: FeedStore) -> None:
    machine, ada, bob = opened.machine, opened.person("ada"), opened.person("bob")
    feed = await store.feed(machine)
    first = review(machine, 1, ada, text="Slow. 🐌")
    await store.save(Change(replace(feed.with_stars(0, 4), reviews_made=1), reviews=[first]))
    feed = await store.feed(machine)
    second = review(machine, 2, bob, 1)
    await store.save(Change(replace(feed.with_stars(0, 1), reviews_made=2), reviews=[second]))
    feed = await store.feed(machine)
    assert feed.stars == (1, 0, 0, 1, 0)
    assert await store.review_of(feed, ada) == first
    assert await store.review(feed, 2) == second
    assert await store.reviews(feed, ALL, 10) == [second, first]
    assert await store.reviews(feed, 2, 10) == [first]
    written = replace(first, stars=5, text="Fast by now.", version=2)
    await store.save(Change(feed.with_stars(4, 5), reviews=[written]))
    feed = await store.feed(machine)
    assert await store.review_of(feed, ada) == written
    await store.save(Change(feed.with_stars(5, 0), gone_reviews=[written]))
    feed = await store.feed(machine)
    assert await store.review_of(feed, ada) is None
    assert await store.review(feed, 1) is None
    assert await store.reviews(feed, ALL, 10) == [second]


async def test_a_vote_is_one_for_each_person(opened: Opened, store: FeedStore) -> None:
    machine, ada, bob = opened.machine, opened.person("ada"), opened.person("bob")
    changing = Changing(store, opened.clock)
    await vote(store, changing, machine, ada, Direction.LIKE)
    await vote(store, changing, machine, bob, Direction.LIKE)
    await vote(store, changing, machine, ada, Direction.DISLIKE)
    other = opened.machine_named("b")
    await vote(store, changing, other, ada, Direction.LIKE)
    feeds = await store.feeds([machine, other, opened.machine_named("none")])
    assert [(one.likes, one.dislikes) for one in feeds] == [(1, 1), (1, 0), (0, 0)]
    votes = await store.votes(feeds, ada)
    assert {m: v.direction for m, v in votes.items()} == {
        machine: Direction.DISLIKE,
        other: Direction.LIKE,
    }
    await vote(store, changing, machine, ada, None)
    feed = await store.feed(machine)
    assert await store.vote(feed, ada) is None
    assert (feed.likes, feed.dislikes) == (1, 0)


async def test_what_is_made_from_an_older_version_is_not_kept(
    opened: Opened, store: FeedStore
) -> None:
    machine = opened.machine
    empty = await store.feed(machine)
    await say(store, machine)
    feed = await store.feed(machine)
    for stale in (empty, replace(feed, version=9)):
        late = comment(machine, 1, text="late")
        with pytest.raises(FeedChanged):
            await store.save(Change(stale, comments=[late], facts=[CommentCreated(late, "")]))
    assert await store.feed(machine) == feed
    found = await store.comment(feed, 1, 0)
    assert found is not None
    assert found.text == "Good."
    records = await opened.published("allocator.feed.facts.v1", 1)
    assert len(records) == 1


async def test_of_many_who_vote_at_once_each_is_counted_once(opened: Opened) -> None:
    machine = opened.machine
    people = [opened.person(f"p{n}") for n in range(50)]
    # As two replicas, which know nothing of each other.
    replicas = [await opened.open(), await opened.open()]
    changing = [Changing(store, SystemClock()) for store in replicas]

    async def votes_of(place: int, person: str) -> None:
        turn = place % 2
        for way in (Direction.LIKE, Direction.DISLIKE, Direction.DISLIKE):
            await vote(replicas[turn], changing[turn], machine, person, way)
        # And sent again by whoever got no answer, to whichever replica.
        await vote(replicas[1 - turn], changing[1 - turn], machine, person, Direction.DISLIKE)
        if place < 10:
            await vote(replicas[turn], changing[turn], machine, person, None)

    await asyncio.gather(*(votes_of(place, person) for place, person in enumerate(people)))
    store = await opened.open()
    feed = await store.feed(machine)
    assert (feed.likes, feed.dislikes) == (0, 40)
    rows = [await store.vote(feed, person) for person in people]
    assert [row and row.direction for row in rows] == [None] * 10 + [Direction.DISLIKE] * 40
    # Two changes for each, a third for ten of them: what changes nothing is none.
    assert feed.version == 110


async def test_a_request_is_answered_once(opened: Opened, store: FeedStore) -> None:
    machine = opened.machine
    once = Once.of(opened.person("ada"), f"CreateComment {machine}", str(uuid4()), "text")
    assert once is not None
    assert await store.answered(machine, None) is None
    assert await store.answered(machine, once) is None
    feed = await store.feed(machine)
    made = comment(machine, 1)
    changed = replace(feed, threads_made=1, comments=1)
    await store.save(Change(changed, comments=[made], facts=[CommentCreated(made, "")]), once)
    reopened = await opened.open()
    assert await reopened.answered(machine, once) == made
    # What somebody made at the same moment, from what was read then or later, is not kept.
    feed = await store.feed(machine)
    for made_from in (replace(changed, version=0), feed):
        again = comment(machine, 2)
        with pytest.raises(FeedChanged):
            await store.save(Change(made_from, comments=[again]), once)
    assert await store.feed(machine) == feed
    with pytest.raises(Conflict) as caught:
        await store.answered(machine, replace(once, fingerprint="0" * 64))
    assert caught.value.reason == "REQUEST_ID_REUSED"


async def test_facts_are_published_in_order_with_what_they_led_to(
    opened: Opened, store: FeedStore
) -> None:
    machine = opened.machine
    await say(store, machine, 3)
    feed = await store.feed(machine)
    written = review(machine, 1, opened.person("ada"))
    await store.save(
        Change(
            replace(feed.with_stars(0, 4), reviews_made=1),
            reviews=[written],
            facts=[ReviewWritten(written, replaced=False)],
        )
    )
    assert machine in opened.wakes
    facts = await opened.published("allocator.feed.facts.v1", 4)
    assert [record.headers["version"] for record in facts] == ["1", "2", "3", "4"]
    assert [record.headers["ce-type"].rpartition(".")[2] for record in facts] == [
        *["CommentCreated"] * 3,
        "ReviewWritten",
    ]
    states = await opened.published("allocator.feed.state.v1", 1)
    assert states[-1].headers["version"] == "4"
    assert {record.key for record in (*facts, *states)} == {machine}
    # What was published is not published again.
    await say(store, machine)
    again = await opened.published("allocator.feed.facts.v1", 1)
    assert [record.headers["version"] for record in again] == ["5"]


async def test_more_facts_than_are_read_at_once_are_all_published(
    opened: Opened, store: FeedStore
) -> None:
    await say(store, opened.machine, 120)
    facts = await opened.published("allocator.feed.facts.v1", 120)
    assert [int(record.headers["version"]) for record in facts] == list(range(1, 121))


async def test_a_change_without_facts_is_one_too(opened: Opened, store: FeedStore) -> None:
    machine = opened.machine
    await store.save(Change(await store.feed(machine)))
    assert (await store.feed(machine)).version == 1
    await say(store, machine)
    assert len(await opened.published("allocator.feed.facts.v1", 1)) == 1


async def test_who_is_gone_leaves_what_they_wrote(opened: Opened, store: FeedStore) -> None:
    machine, ada, bob = opened.machine, opened.person("ada"), opened.person("bob")
    changing = Changing(store, opened.clock)
    (parent,) = await say(store, machine, author=bob)
    await say(store, machine, author=ada)
    feed = await store.feed(machine)
    reply = comment(machine, 1, 1, author=ada)
    parent = replace(parent, replies=1, replies_made=1)
    own = review(machine, 1, ada)
    await store.save(
        Change(
            replace(feed.with_stars(0, 4), comments=3, reviews_made=1),
            comments=[reply, parent],
            reviews=[own],
        )
    )
    await vote(store, changing, machine, ada, Direction.LIKE)
    assert await store.machines_of(ada) == [machine]
    feed = await store.feed(machine)
    written = await store.comments_by(feed, ada, 10)
    assert {(one.thread, one.reply) for one in written} == {(2, 0), (1, 1)}
    assert len(await store.comments_by(feed, ada, 1)) == 1
    nameless = [replace(one, author=DELETED, version=2) for one in written]
    kept = replace(own, author=DELETED, version=2)
    await store.save(
        Change(
            feed.with_vote(Direction.LIKE, None),
            comments=nameless,
            reviews=[kept],
            gone_votes=[ada],
            gone_people=[ada],
        )
    )
    feed = await store.feed(machine)
    assert await store.comments_by(feed, ada, 10) == []
    assert await store.review_of(feed, ada) is None
    assert await store.vote(feed, ada) is None
    assert await store.reviews(feed, ALL, 10) == [kept]
    assert (feed.likes, feed.comments, feed.reviews) == (0, 3, 1)
    assert await store.machines_of(ada) == []
    assert await store.machines_of(bob) == [machine]


async def test_a_feed_that_ended_begins_anew(opened: Opened, store: FeedStore) -> None:
    machine, ada = opened.machine, opened.person("ada")
    changing = Changing(store, opened.clock)
    (parent,) = await say(store, machine, author=ada)
    feed = await store.feed(machine)
    reply = comment(machine, 1, 1, author=ada)
    own = review(machine, 1, ada)
    await store.save(
        Change(
            replace(feed.with_stars(0, 4), comments=2, reviews_made=1),
            comments=[reply, replace(parent, replies=1, replies_made=1)],
            reviews=[own],
        )
    )
    await vote(store, changing, machine, ada, Direction.LIKE)
    former = await store.feed(machine)
    ended = former.ended(CLOCK.now())
    await store.save(Change(ended, facts=[FeedRemoved()]))
    feed = await store.feed(machine)
    assert (feed.likes, feed.comments, feed.reviews, feed.end_time) == (0, 0, 0, CLOCK.now())
    assert (feed.epoch, feed.version, feed.threads_made) == (1, former.version + 1, 1)
    for _ in range(2):
        await store.purge(feed)
        for epoch in (former, feed):
            assert await store.comment(epoch, 1, 0) is None
            assert await store.comment(epoch, 1, 1) is None
            assert await store.comments(epoch, ALL, 10) == []
            assert await store.reviews(epoch, ALL, 10) == []
            assert await store.review_of(epoch, ada) is None
            assert await store.vote(epoch, ada) is None
            assert await store.votes([epoch], ada) == {}
            assert await store.comments_by(epoch, ada, 10) == []
    (new,) = await say(store, machine)
    assert new.thread == 2
    feed = await store.feed(machine)
    await store.purge(feed)
    assert await store.comments(feed, ALL, 10) == [new]
    states = await opened.published("allocator.feed.state.v1", 1)
    assert not states[-1].is_tombstone


async def test_names_follow_the_newest_version(opened: Opened, store: FeedStore) -> None:
    ada, bob = opened.person("ada"), opened.person("bob")
    await store.learn(Author(ada, "Ada 🦀 " + "L" * 280, 2))
    await store.learn(Author(ada, "Old", 1))
    await store.learn(Author(bob, "", 1))
    found = await store.authors([ada, bob, opened.person("none")])
    assert found == {
        ada: Author(ada, "Ada 🦀 " + "L" * 280, 2),
        bob: Author(bob, "", 1),
    }
    await store.learn(Author(ada, "", 3, gone=True))
    for late in (Author(ada, "Ada", 3), Author(ada, "Ada", 9)):
        await store.learn(late)
        assert await store.authors([ada]) == {ada: Author(ada, "", 3, gone=True)}


def test_the_tables_are_those_of_the_migrations() -> None:
    assert_schema_matches(METADATA, "feed_svc.schema")
