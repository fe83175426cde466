"""What happens to facts while Kafka is away, and when a consumer is killed."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from kafka_server import KafkaServer
from kafka_topics import own_kafka

from chassis.bus import Bus, Record, open_bus
from chassis.bus.outbox import Relay, append
from chassis.clock import SystemClock
from chassis.faults import Unavailable
from chassis.sql import Database, open_database
from machines_svc.schema.tables import OUTBOX

pytestmark = [pytest.mark.real_kafka, pytest.mark.slow, pytest.mark.timeout(300)]

FACTS = "allocator.books.facts.v1"
KEYS = [f"books/{name}" for name in "abcde"]
PATIENCE = 60.0

STUCK = """
import asyncio, sys
from chassis.bus import open_bus
from chassis.clock import SystemClock

async def effect(record):
    if record.value == b"5":
        print("stuck", flush=True)
        await asyncio.Event().wait()

async def main():
    bus = await open_bus(sys.argv[1], SystemClock())
    await bus.consume("readers", ["allocator.books.facts.v1"], effect)

asyncio.run(main())
"""


class Shelf:
    """An effect that is idempotent by version, as every consumer has to be."""

    def __init__(self) -> None:
        self.versions: defaultdict[str, list[int]] = defaultdict(list)
        self._more = asyncio.Condition()

    async def __call__(self, record: Record) -> None:
        """Takes a record in, unless it had it."""
        version = int(record.headers["version"])
        async with self._more:
            had = self.versions[record.key]
            if not had or version > had[-1]:
                had.append(version)
            self._more.notify_all()

    async def until(self, version: int) -> None:
        """Waits until every key has come so far."""
        async with asyncio.timeout(PATIENCE), self._more:
            await self._more.wait_for(
                lambda: all(self.versions[key][-1:] == [version] for key in KEYS)
            )


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[KafkaServer]:
    server = KafkaServer(tmp_path)
    await server.format()
    await server.start()
    yield server
    await server.kill()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path}/outbox.sqlite3"
    opened = await open_database(url, "machines_svc.schema", SystemClock())
    yield opened
    await opened.close()


def fact(version: int, key: str) -> Record:
    return Record(FACTS, key, str(version).encode(), {"version": str(version)})


async def commit(database: Database, versions: range) -> None:
    for version in versions:
        records = [fact(version, key) for key in KEYS]
        await database.write(
            lambda conn, some=records: append(conn, OUTBOX, some, SystemClock().now())
        )


def waiting(database: Database) -> int:
    count = sa.select(sa.func.count()).select_from(OUTBOX)
    return database.read_here(lambda conn: int(conn.execute(count).scalar_one()))


@asynccontextmanager
async def meanwhile(*coroutines: object) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(one) for one in coroutines]  # type: ignore[call-overload]
    yield
    for task in tasks:
        assert not task.done()
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Bus]:
    bus = await open_bus(url, SystemClock())
    yield bus
    await bus.close()


async def everything(bus: Bus, until: bytes) -> list[bytes]:
    """All values on the topic, up to one."""
    values: list[bytes] = []
    end = asyncio.Event()

    async def effect(record: Record) -> None:
        values.append(record.value)
        if record.value == until:
            end.set()

    async with meanwhile(bus.consume("from.the.start", [FACTS], effect)):
        await asyncio.wait_for(end.wait(), PATIENCE)
    return values


async def test_facts_wait_while_kafka_is_away_and_then_come_in_order(
    server: KafkaServer, database: Database
) -> None:
    consumer, news = Shelf(), Shelf()
    started = asyncio.Event()
    async with own_kafka("books", servers=server.bootstrap) as url, opened(url) as bus:
        relay = Relay(database, OUTBOX, bus)
        async with meanwhile(
            bus.consume("readers", [FACTS], consumer),
            bus.tail([FACTS], news, started),
            relay.run(),
        ):
            await asyncio.wait_for(started.wait(), PATIENCE)
            await commit(database, range(20))
            await consumer.until(19)
            await server.kill()

            await commit(database, range(20, 60))
            began = time.monotonic()
            with pytest.raises(Unavailable) as away:
                await bus.publish([Record(FACTS, "others/a", b"x", {"version": "0"})])
            assert time.monotonic() - began < 20
            assert away.value.retry_after
            assert waiting(database) == 200
            with pytest.raises(Unavailable):
                await bus.dead_letters(10)

            await server.start()
            await commit(database, range(60, 80))
            await consumer.until(79)
            await news.until(79)
    for key in KEYS:
        assert consumer.versions[key] == list(range(80))
        assert news.versions[key] == list(range(80))


async def test_what_was_given_up_does_not_come_later(server: KafkaServer) -> None:
    # The client itself would try for longer than Kafka needs to come back.
    patient = "message.timeout.ms=120000"
    async with (
        own_kafka("books", servers=server.bootstrap, query=patient) as url,
        opened(url) as bus,
    ):
        await bus.publish([fact(1, "books/a")])
        await server.kill()
        giving_up = asyncio.create_task(bus.publish([fact(2, "books/a")] * 100))
        # It is in the hands of the client, and cannot go further.
        await asyncio.wait([giving_up], timeout=0.5)
        giving_up.cancel()
        await asyncio.gather(giving_up, return_exceptions=True)
        await server.start()
        async with opened(url) as other:
            await other.publish([fact(3, "books/a")])
        await until_published(bus, fact(4, "books/a"))
        assert await everything(bus, b"4") == [b"1", b"3", b"4"]


async def until_published(bus: Bus, record: Record) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await bus.publish([record])
            except Unavailable:
                await asyncio.sleep(0.1)


async def test_what_a_killed_consumer_had_in_hand_goes_to_another(server: KafkaServer) -> None:
    had: list[bytes] = []
    all_came = asyncio.Event()

    async def effect(record: Record) -> None:
        had.append(record.value)
        if record.value == b"9":
            all_came.set()

    async with own_kafka("books", servers=server.bootstrap) as url, opened(url) as bus:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", STUCK, url), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout
        await bus.publish([fact(number, "books/a") for number in range(10)])
        async with asyncio.timeout(PATIENCE):
            assert await process.stdout.readline() == b"stuck\n"
        async with meanwhile(bus.consume("readers", [FACTS], effect)):
            process.kill()
            await process.wait()
            await asyncio.wait_for(all_came.wait(), PATIENCE)
    assert had[-5:] == [b"5", b"6", b"7", b"8", b"9"]
    assert had == [str(number).encode() for number in range(10 - len(had), 10)]
