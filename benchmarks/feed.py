"""Summaries for a page of the catalogue, and votes that come at once."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

from benchmarks.figures import Figure, percentile
from benchmarks.running import Visitor, allocator
from chassis.clock import SystemClock
from chassis.limits import MemoryRateLimiter
from chassis.sql import open_database
from feed_svc.adapters.feed_store.sql import SqlFeedStore
from feed_svc.domain.change import Change
from feed_svc.domain.feed import Direction, Feed, Vote
from feed_svc.ports import FeedStore
from feed_svc.transport.mapping import records_of
from feed_svc.usecases.changing import Changing
from feed_svc.usecases.limiting import Limiting, Pace
from feed_svc.usecases.summing import Summing
from feed_svc.usecases.voting import Voting

MACHINES = [f"machines/m{number:02}" for number in range(50)]
CROWD = 50
ASKED = 300
CASSANDRA = "ALLOCATOR_TEST_CASSANDRA_URL"


def run() -> list[Figure]:
    figures = []
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "data"
        data.mkdir(mode=0o700)
        asyncio.run(on_sqlite(data, fill))
        with allocator(data) as running:
            token = running.person("ada@example.org")
            figures.append(figure("REST, for everybody", asked(running), "< 10", ""))
            figures.append(figure("REST, with one's own votes", asked(running, token), "< 10", ""))
        took, rate = asyncio.run(on_sqlite(Path(scratch), measured))
        figures.append(figure("the use case alone, SQLite", took, "< 10", ""))
        figures.append(votes("SQLite", rate, "≥ 200"))
    if os.environ.get(CASSANDRA):
        took, rate = asyncio.run(on_cassandra(measured))
        figures.append(
            figure("the use case alone, Cassandra", took, "< 50", "with one's own votes")
        )
        figures.append(votes("Cassandra", rate, "≥ 50"))
    return figures


async def on_sqlite(folder: Path, work: Callable[[FeedStore], Awaitable[Any]]) -> Any:
    clock = SystemClock()
    database = await open_database(f"sqlite:///{folder}/feed.sqlite3", "feed_svc.schema", clock)
    try:
        return await work(SqlFeedStore(database, clock, records_of, lambda: None))
    finally:
        await database.close()


async def on_cassandra(work: Callable[[FeedStore], Awaitable[Any]]) -> Any:
    from feed_svc.adapters.cassandra.opening import open_keyspace
    from feed_svc.adapters.feed_store.cassandra import CassandraFeedStore
    from tests.servers import cassandra_keyspace, drop_cassandra

    clock = SystemClock()
    url = cassandra_keyspace()
    async with AsyncExitStack() as exits:
        exits.callback(drop_cassandra, url)
        keyspace = await open_keyspace(url, "feed_svc.schema", clock, migrate=True)
        exits.push_async_callback(keyspace.close)
        return await work(CassandraFeedStore(keyspace, clock, records_of, lambda _machine: None))


async def fill(store: FeedStore) -> None:
    """Gives each machine a few votes and numbers of everything else."""
    now = SystemClock().now()
    for place, machine in enumerate(MACHINES):
        feed = replace(
            Feed(machine), likes=4, dislikes=1, comments=place, stars=(1, 0, place, 2, 9)
        )
        given = [
            Vote(machine, f"users/p{n}", Direction.LIKE if n else Direction.DISLIKE, now)
            for n in range(5)
        ]
        await store.save(Change(feed, votes=given))


async def measured(store: FeedStore) -> tuple[list[float], float]:
    """How long summaries take, in milliseconds, and how many votes a second one machine takes."""
    clock, voted_on = SystemClock(), f"machines/{uuid4().hex[:8]}"
    if not (await store.feed(MACHINES[0])).version:
        await fill(store)
    summing = Summing(store)
    took = []
    for _ in range(ASKED):
        began = time.perf_counter()
        await summing.summaries(MACHINES, "users/p1")
        took.append((time.perf_counter() - began) * 1000)
    much = Pace(10**6, 1.0)
    voting = Voting(
        store,
        Changing(store, clock),
        catalogue=Everything(),
        limiting=Limiting(MemoryRateLimiter(clock), much, much),
        clock=clock,
    )

    async def switches(person: str) -> None:
        for turn in range(6):
            way = Direction.DISLIKE if turn % 2 else Direction.LIKE
            await voting.set(voted_on, way, person)

    began = time.perf_counter()
    await asyncio.gather(*(switches(f"users/p{n}") for n in range(CROWD)))
    rate = 6 * CROWD / (time.perf_counter() - began)
    feed = await store.feed(voted_on)
    assert (feed.likes, feed.dislikes) == (0, CROWD)
    return took, rate


class Everything:
    """A catalogue in which there is every machine."""

    async def check_visible(self, machine: str) -> None:
        """Sees it."""


def asked(running: Visitor, token: str = "") -> list[float]:
    took = []
    for _ in range(ASKED):
        began = time.perf_counter()
        answer = running.call(
            "GET", "/v1/machines/-/feedSummaries", token, params={"machines": MACHINES}
        )
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["summaries"]) == len(MACHINES)
    return took


def figure(what: str, took: list[float], reach: str, detail: str) -> Figure:
    middle = f"median {median(took):.1f} ms, of {len(took)}"
    return Figure(
        f"feed summaries of {len(MACHINES)} machines in one call, {what}, p99",
        "",
        percentile(took, 0.99),
        reach,
        "ms",
        f"{middle}; {detail}" if detail else middle,
    )


def votes(where: str, rate: float, reach: str) -> Figure:
    return Figure(f"votes of {CROWD} people at once on one machine, {where}", "", rate, reach, "/s")
