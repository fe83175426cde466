"""Feeds on a Cassandra server that is slow, silent or away, and answers that are lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest

from chassis.bus import open_bus
from chassis.clock import ManualClock, SystemClock
from chassis.faults import Unavailable
from chassis.sql import SchemaTooNew, SchemaTooOld
from feed_svc.adapters.cassandra.address import read_address
from feed_svc.adapters.cassandra.migrations import Schema
from feed_svc.adapters.cassandra.opening import open_keyspace, schema_revision
from feed_svc.adapters.cassandra.outbox import CassandraRelay
from feed_svc.adapters.cassandra.session import Keyspace, connect
from feed_svc.adapters.cassandra.translation import away
from feed_svc.adapters.feed_store.cassandra import CassandraFeedStore
from feed_svc.domain.change import Change
from feed_svc.domain.facts import CommentCreated
from feed_svc.domain.feed import Author, Direction
from feed_svc.transport.mapping import records_of
from feed_svc.usecases.changing import Changing
from tests.conformance.test_feed_store import comment, say, vote
from tests.proxy import Proxy
from tests.servers import cassandra_keyspace, cassandra_session, drop_cassandra

pytestmark = pytest.mark.real_cassandra
SCHEMA = "feed_svc.schema"
PATIENCE = 30.0


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A keyspace for all tests here."""
    with ExitStack() as exits:
        made = cassandra_keyspace()
        exits.callback(drop_cassandra, made)
        yield made


@pytest.fixture
async def exits() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def machine() -> str:
    return f"machines/m-{uuid4().hex[:10]}"


async def opened(
    exits: AsyncExitStack, url: str, *, deadline: float = 5.0
) -> tuple[CassandraFeedStore, Keyspace]:
    keyspace = await open_keyspace(url, SCHEMA, SystemClock(), migrate=True, deadline=deadline)
    exits.push_async_callback(keyspace.close)
    store = CassandraFeedStore(keyspace, ManualClock(), records_of, lambda _machine: None)
    return store, keyspace


@pytest.fixture
async def proxy(exits: AsyncExitStack, url: str) -> Proxy:
    parts = urlsplit(url)
    assert parts.hostname
    return await exits.enter_async_context(Proxy(parts.hostname, parts.port or 9042))


def through(proxy: Proxy, url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(netloc=proxy.address))


class BadLuck:
    """Loses the answers of a keyspace's conditional writes, or what comes after them.

    Attributes:
        before: how many are lost on their way.
        after: of how many the answer is lost.
        dies: whether nothing is written any more after one of them.
    """

    def __init__(self, keyspace: Keyspace) -> None:
        self._keyspace = keyspace
        self.before = self.after = 0
        self.dies = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._keyspace, name)

    async def apply(self, statements: Sequence[Any]) -> bool:
        if self.before:
            self.before -= 1
            raise away()
        done = await self._keyspace.apply(statements)
        if self.after:
            self.after -= 1
            raise away()
        return done

    async def write(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        # What comes before the conditional write is about people.
        if self.dies and "contributions" not in statement:
            raise away()
        await self._keyspace.write(statement, parameters)


async def with_bad_luck(exits: AsyncExitStack, url: str) -> tuple[CassandraFeedStore, BadLuck]:
    _, keyspace = await opened(exits, url)
    luck = BadLuck(keyspace)
    store = CassandraFeedStore(luck, ManualClock(), records_of, lambda _machine: None)  # type: ignore[arg-type]
    return store, luck


@pytest.mark.parametrize(("before", "after"), [(1, 0), (0, 1), (2, 0), (1, 1)])
async def test_a_change_whose_answer_was_lost_is_made_once(
    exits: AsyncExitStack, url: str, machine: str, before: int, after: int
) -> None:
    store, luck = await with_bad_luck(exits, url)
    await say(store, machine)
    luck.before, luck.after = before, after
    (second,) = await say(store, machine)
    assert (luck.before, luck.after) == (0, 0)
    feed = await store.feed(machine)
    assert (feed.version, feed.comments) == (2, 2)
    assert await store.comment(feed, 2, 0) == second


async def test_what_is_not_known_is_said_to_be_so_and_can_be_tried_again(
    exits: AsyncExitStack, url: str, machine: str
) -> None:
    store, luck = await with_bad_luck(exits, url)
    changing = Changing(store, SystemClock())
    luck.after = 99
    with pytest.raises(Unavailable):
        # The note cannot be read either.
        luck.settled = _never  # type: ignore[attr-defined]
        await vote(store, changing, machine, "users/ada", Direction.LIKE)
    luck.after = 0
    del luck.settled
    for _ in range(2):
        await vote(store, changing, machine, "users/ada", Direction.LIKE)
    feed = await store.feed(machine)
    assert (feed.likes, feed.version) == (1, 1)


async def _never(*_: Any) -> None:
    raise away()


async def test_what_a_process_did_not_finish_the_next_reader_does(
    exits: AsyncExitStack, url: str, machine: str
) -> None:
    dying, luck = await with_bad_luck(exits, url)
    luck.dies = True
    (made,) = await say(dying, machine)
    store, _ = await opened(exits, url)
    feed = await store.feed(machine)
    assert await store.comments(feed, 10, 10) == [made]
    # And a change that is made from there finds it.
    (second,) = await say(store, machine)
    feed = await store.feed(machine)
    assert await store.comments(feed, 10, 10) == [second, made]


async def test_rows_that_are_written_late_replace_no_newer_ones(
    exits: AsyncExitStack, url: str, machine: str
) -> None:
    late, luck = await with_bad_luck(exits, url)
    luck.dies = True
    store, _ = await opened(exits, url)
    changing, slow = Changing(store, SystemClock()), Changing(late, SystemClock())
    await vote(late, slow, machine, "users/ada", Direction.LIKE)
    seen = await luck._keyspace.one(
        "SELECT pending, id FROM feeds WHERE machine = ? AND kind = 'head' AND id = ''", [machine]
    )
    await vote(store, changing, machine, "users/ada", Direction.DISLIKE)
    luck.dies = False
    assert seen is not None
    first = await late.feed(machine)
    await late._settle(replace(first, version=1), seen[0])
    feed = await store.feed(machine)
    found = await store.vote(feed, "users/ada")
    assert found is not None
    assert found.direction is Direction.DISLIKE
    assert (feed.likes, feed.dislikes) == (0, 1)


async def test_facts_that_nobody_told_of_are_found(
    exits: AsyncExitStack, url: str, machine: str, tmp_path: Any
) -> None:
    store, keyspace = await opened(exits, url)
    await say(store, machine, 3)
    bus = await open_bus(f"sqlite:///{tmp_path}/bus.sqlite3", SystemClock())
    exits.push_async_callback(bus.close)
    relay = CassandraRelay(keyspace, bus, SystemClock())
    assert await relay.flush(PATIENCE)
    had: list[str] = []
    enough = asyncio.Event()

    async def effect(record: Any) -> None:
        if record.key == machine:
            had.append(record.headers["version"])
            if len(had) == 3:
                enough.set()

    reading = asyncio.ensure_future(bus.consume("test", ["allocator.feed.facts.v1"], effect))
    async with asyncio.timeout(PATIENCE):
        await enough.wait()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert had == ["1", "2", "3"]


async def test_a_connection_that_is_cut_again_and_again_miscounts_nobody(
    exits: AsyncExitStack, url: str, machine: str, proxy: Proxy
) -> None:
    store, _ = await opened(exits, through(proxy, url), deadline=1.0)
    changing = Changing(store, SystemClock())
    done = 0

    async def votes_until_it_is_known(person: str) -> None:
        nonlocal done
        for way in (Direction.LIKE, Direction.DISLIKE):
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        await vote(store, changing, machine, person, way)
                        break
                    except Unavailable:
                        await asyncio.sleep(0.05)
        done += 1
        if done % 5 == 0:
            proxy.cut()

    await asyncio.gather(*(votes_until_it_is_known(f"users/p{n}") for n in range(20)))
    direct, _ = await opened(exits, url)
    feed = await direct.feed(machine)
    assert (feed.likes, feed.dislikes, feed.version) == (0, 20, 40)


async def test_a_silent_server_is_given_up_in_time_and_taken_up_again(
    exits: AsyncExitStack, url: str, machine: str, proxy: Proxy
) -> None:
    store, keyspace = await opened(exits, through(proxy, url), deadline=0.5)
    await say(store, machine)
    assert keyspace.problem() is None
    proxy.hang()
    with pytest.raises(Unavailable) as caught:
        async with asyncio.timeout(5.0):
            await store.feed(machine)
    assert caught.value.reason == "DEPENDENCY_UNAVAILABLE"
    assert "cassandra" not in caught.value.message.lower()
    assert keyspace.problem() == "the database does not answer"
    proxy.flow()
    async with asyncio.timeout(PATIENCE):
        while keyspace.problem() is not None:
            try:
                await store.feed(machine)
            except Unavailable:
                await asyncio.sleep(0.05)
    assert (await store.feed(machine)).comments == 1


async def test_a_slow_server_is_waited_for(
    exits: AsyncExitStack, url: str, machine: str, proxy: Proxy
) -> None:
    store, _ = await opened(exits, through(proxy, url))
    proxy.flow(delay=0.02)
    await say(store, machine, 2)
    assert (await store.feed(machine)).comments == 2


async def test_a_server_that_is_not_there_is_away(proxy: Proxy, url: str) -> None:
    await proxy.stop()
    with pytest.raises(Unavailable):
        await open_keyspace(through(proxy, url), SCHEMA, SystemClock(), migrate=False)


async def test_who_still_waits_at_the_end_is_told_so(
    exits: AsyncExitStack, url: str, machine: str, proxy: Proxy
) -> None:
    store, keyspace = await opened(exits, through(proxy, url))
    await store.feed(machine)
    proxy.hang()
    waiting = asyncio.ensure_future(store.feed(machine))
    await asyncio.sleep(0)
    await keyspace.close()
    with pytest.raises(Unavailable):
        await waiting
    with pytest.raises(Unavailable) as caught:
        await store.feed(machine)
    assert caught.value.reason == "SERVICE_STOPPING"


async def test_of_several_that_migrate_at_once_all_come_to_the_newest(
    exits: AsyncExitStack,
) -> None:
    made = cassandra_keyspace()
    exits.callback(drop_cassandra, made)
    with pytest.raises(SchemaTooOld, match="allocctl migrate"):
        await open_keyspace(made, SCHEMA, SystemClock(), migrate=False)
    assert await schema_revision(made, SCHEMA) == (None, Schema.named(SCHEMA).head)
    keyspaces = await asyncio.gather(
        *(open_keyspace(made, SCHEMA, SystemClock(), migrate=True) for _ in range(3))
    )
    for keyspace in keyspaces:
        exits.push_async_callback(keyspace.close)
    assert await schema_revision(made, SCHEMA) == (Schema.named(SCHEMA).head,) * 2
    keyspace = keyspaces[0]
    store = CassandraFeedStore(keyspace, ManualClock(), records_of, lambda _machine: None)
    await store.learn(Author("users/ada", "Ada", 1))
    await say(store, "machines/kept")
    # To migrate what is new already changes nothing.
    again = await open_keyspace(made, SCHEMA, SystemClock(), migrate=True)
    exits.push_async_callback(again.close)
    kept = CassandraFeedStore(again, ManualClock(), records_of, lambda _machine: None)
    assert (await kept.feed("machines/kept")).comments == 1
    await again.write("INSERT INTO migrations (revision, name) VALUES (?, ?)", ["9999", "later"])
    for migrate in (True, False):
        with pytest.raises(SchemaTooNew, match="9999"):
            await open_keyspace(made, SCHEMA, SystemClock(), migrate=migrate)


async def test_a_migration_that_was_interrupted_is_done_again(exits: AsyncExitStack) -> None:
    made = cassandra_keyspace()
    exits.callback(drop_cassandra, made)
    name = urlsplit(made).path.strip("/")
    keyspace = await open_keyspace(made, SCHEMA, SystemClock(), migrate=True)
    store = CassandraFeedStore(keyspace, ManualClock(), records_of, lambda _machine: None)
    await say(store, "machines/kept")
    await keyspace.close()
    with cassandra_session(made) as session:
        session.execute(f"DELETE FROM {name}.migrations WHERE revision = '0001'")
        session.execute(f"DROP TABLE {name}.authors", timeout=30)
    again = await open_keyspace(made, SCHEMA, SystemClock(), migrate=True)
    exits.push_async_callback(again.close)
    kept = CassandraFeedStore(again, ManualClock(), records_of, lambda _machine: None)
    await kept.learn(Author("users/ada", "Ada", 1))
    assert (await kept.feed("machines/kept")).comments == 1


async def test_the_driver_lets_go_of_everything(url: str) -> None:
    cluster, session = await connect(read_address(url), 5.0)
    keyspace = Keyspace(cluster, session, read_address(url), 5.0)
    await keyspace.close()
    await keyspace.close()
    assert cluster.is_shutdown


async def test_a_change_that_was_refused_leaves_no_fact(
    exits: AsyncExitStack, url: str, machine: str, tmp_path: Any
) -> None:
    store, keyspace = await opened(exits, url)
    empty = await store.feed(machine)
    await say(store, machine)
    late = comment(machine, 1)
    with pytest.raises(Exception, match="changed since"):
        await store.save(Change(empty, comments=[late], facts=[CommentCreated(late, "")]))
    rows = await keyspace.rows(
        "SELECT id FROM feeds WHERE machine = ? AND kind = 'fact'", [machine]
    )
    assert len(rows) == 2
