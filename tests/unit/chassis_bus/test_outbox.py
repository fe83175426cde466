"""The outbox and its relay."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from prometheus_client import REGISTRY
from servers import drop_mysql, mysql_url

from chassis.bus import MAX_VALUE, Bus, DeadLetter, Effect, Record, open_bus
from chassis.bus.outbox import Relay, append
from chassis.clock import ManualClock, SystemClock
from chassis.faults import Invalid, Unavailable
from chassis.sql import Database, open_database
from tests.unit.chassis_bus.shop_schema.tables import OUTBOX

TOPIC = "allocator.shops.facts.v1"
PATIENCE = 20.0


def record(number: int, value: bytes = b"") -> Record:
    return Record(TOPIC, "shops/a", value or str(number).encode(), {"ce-id": str(number)})


class StumblingBus:
    """The real bus, behind a line that can be cut before or after a record has passed."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.away = False
        self.forgets_to_answer = False
        self.batches: list[int] = []

    async def publish(self, records: Sequence[Record]) -> None:
        if self.away:
            raise Unavailable("The bus is away; try again.")
        await self._bus.publish(records)
        self.batches.append(len(records))
        if self.forgets_to_answer:
            self.forgets_to_answer = False
            raise Unavailable("The bus did not answer; try again.")

    async def consume(self, group: str, topics: Sequence[str], effect: Effect) -> None:
        await self._bus.consume(group, topics, effect)

    async def tail(
        self, topics: Sequence[str], effect: Effect, started: asyncio.Event | None = None
    ) -> None:
        await self._bus.tail(topics, effect, started)

    async def dead_letters(self, limit: int, after: int = 0) -> list[DeadLetter]:
        return await self._bus.dead_letters(limit, after)

    async def replay(self, dead_letter: int) -> bool:
        return await self._bus.replay(dead_letter)

    async def close(self) -> None:
        await self._bus.close()


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Database]:
    schema = "tests.unit.chassis_bus.shop_schema"
    database = await open_database(f"sqlite:///{tmp_path}/shop.sqlite3", schema, SystemClock())
    yield database
    await database.close()


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[StumblingBus]:
    opened = StumblingBus(await open_bus(f"sqlite:///{tmp_path}/bus.sqlite3", SystemClock()))
    yield opened
    await opened.close()


async def sell(shop: Database, *records: Record) -> None:
    now = SystemClock().now()
    await shop.write(lambda conn: append(conn, OUTBOX, records, now))


def waiting(shop: Database) -> list[bytes]:
    query = sa.select(OUTBOX.c.value).order_by(OUTBOX.c.id)
    return shop.read_here(lambda conn: list(conn.execute(query).scalars()))


@asynccontextmanager
async def published(bus: Bus) -> AsyncIterator[asyncio.Queue[bytes]]:
    """The values that arrive, in order."""
    values: asyncio.Queue[bytes] = asyncio.Queue()
    task = asyncio.create_task(bus.consume("test", [TOPIC], lambda r: values.put(r.value)))
    yield values
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def some(values: asyncio.Queue[bytes], count: int) -> list[bytes]:
    async with asyncio.timeout(PATIENCE):
        return [await values.get() for _ in range(count)]


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[None]:
    task = asyncio.create_task(relay.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_is_committed_is_published_in_order_and_removed(
    shop: Database, bus: StumblingBus
) -> None:
    relay = Relay(shop, OUTBOX, bus)
    async with published(bus) as values, running(relay):
        for number in range(0, 60, 3):
            await sell(shop, record(number), record(number + 1), record(number + 2))
            relay.wake()
        assert await some(values, 60) == [str(number).encode() for number in range(60)]
    await relay.flush()
    assert waiting(shop) == []


async def test_what_is_committed_a_moment_later_is_published_along_with_it(
    shop: Database, bus: StumblingBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than the 10 ms that it is, so that two transactions fit on any machine.
    monkeypatch.setattr("chassis.bus.outbox._LINGER", 0.5)
    relay = Relay(shop, OUTBOX, bus)
    async with published(bus) as values, running(relay):
        await sell(shop, record(0))
        relay.wake()
        assert await some(values, 1) == [b"0"]
        await relay.flush()
        # It waits now until it is woken, and then it could publish.
        await asyncio.sleep(0.05)
        for number in (1, 2):
            await sell(shop, record(number))
            relay.wake()
            await asyncio.sleep(0.05)
        assert await some(values, 2) == [b"1", b"2"]
    assert bus.batches == [1, 2]


async def test_what_is_not_committed_is_not_published(shop: Database, bus: StumblingBus) -> None:
    def work(conn: sa.Connection) -> None:
        append(conn, OUTBOX, [record(1)], SystemClock().now())
        raise LookupError

    with pytest.raises(LookupError):
        await shop.write(work)
    await sell(shop, record(2))
    relay = Relay(shop, OUTBOX, bus)
    async with published(bus) as values:
        assert await relay.flush()
        assert await some(values, 1) == [b"2"]


async def test_what_another_process_commits_is_found_without_waking(
    shop: Database, bus: StumblingBus
) -> None:
    async with published(bus) as values, running(Relay(shop, OUTBOX, bus)):
        await sell(shop, record(1))
        assert await some(values, 1) == [b"1"]
        await sell(shop, record(2))
        assert await some(values, 1) == [b"2"]


async def test_while_the_bus_is_away_everything_waits_in_order(
    shop: Database, bus: StumblingBus
) -> None:
    clock = ManualClock()
    relay = Relay(shop, OUTBOX, bus, clock)
    bus.away = True
    await sell(shop, record(1))
    async with published(bus) as values, running(relay):
        await clock.until_sleepers()
        await sell(shop, record(2))
        clock.advance(1)
        await asyncio.sleep(0)
        await clock.until_sleepers()
        assert waiting(shop) == [b"1", b"2"]
        bus.away = False
        clock.advance(60)
        assert await some(values, 2) == [b"1", b"2"]


async def test_a_lost_answer_costs_a_repetition_and_no_record(
    shop: Database, bus: StumblingBus
) -> None:
    bus.forgets_to_answer = True
    await sell(shop, record(1), record(2))
    relay = Relay(shop, OUTBOX, bus)
    async with published(bus) as values:
        assert not await relay.flush()
        assert await relay.flush()
        assert await some(values, 4) == [b"1", b"2", b"1", b"2"]
    assert waiting(shop) == []


async def test_flushing_gives_up_in_time(shop: Database, bus: StumblingBus) -> None:
    bus.away = True
    await sell(shop, record(1))
    assert not await Relay(shop, OUTBOX, bus).flush()
    assert waiting(shop) == [b"1"]


async def test_a_relay_that_is_cancelled_finishes_its_batch(
    shop: Database, bus: StumblingBus
) -> None:
    numbers = range(400)
    await sell(shop, *(record(number) for number in numbers))
    relay = Relay(shop, OUTBOX, bus)
    async with published(bus) as values:
        for _ in range(5):
            async with running(relay):
                await asyncio.sleep(0)
        await relay.flush()
        assert await some(values, 400) == [str(number).encode() for number in numbers]
        assert values.empty()


async def test_a_record_that_no_bus_can_carry_undoes_its_transaction(shop: Database) -> None:
    with pytest.raises(Invalid, match="1000000 are the most"):
        await sell(shop, record(1), record(2, bytes(MAX_VALUE + 1)))
    await sell(shop)
    assert waiting(shop) == []


async def test_large_records_are_published_in_several_batches(
    shop: Database, bus: StumblingBus
) -> None:
    for number in range(20):
        await sell(shop, record(number, bytes([number]) * MAX_VALUE))
    relay = Relay(shop, OUTBOX, bus)
    async with published(bus) as values:
        assert await relay.flush(PATIENCE)
        assert [value[0] for value in await some(values, 20)] == list(range(20))


async def test_who_must_not_publish_any_more_removes_nothing(
    shop: Database, bus: StumblingBus
) -> None:
    fenced = True

    def fence(conn: sa.Connection) -> None:
        assert conn.execute(sa.select(sa.func.count()).select_from(OUTBOX)).scalar() == 1
        if fenced:
            raise Unavailable("Another replica leads now.", reason="NOT_LEADING")

    await sell(shop, record(1))
    relay = Relay(shop, OUTBOX, bus, fence=fence)
    async with published(bus) as values:
        assert not await relay.flush()
        assert waiting(shop) == [b"1"]
        fenced = False
        assert await relay.flush()
        assert await some(values, 2) == [b"1", b"1"]
    assert waiting(shop) == []


async def test_what_waits_is_counted_while_it_waits(shop: Database, bus: StumblingBus) -> None:
    def seen() -> float:
        return REGISTRY.get_sample_value("allocator_bus_outbox_waiting") or 0.0

    clock = ManualClock()
    before = seen()
    bus.away = True
    await sell(shop, record(1), record(2), record(3))
    async with published(bus) as values, running(Relay(shop, OUTBOX, bus, clock)):
        await clock.until_sleepers()
        assert seen() == before + 3
        bus.away = False
        clock.advance(60)
        await some(values, 3)
    assert seen() == before


@pytest.fixture(params=["sqlite", pytest.param("mysql", marks=pytest.mark.real_mysql)])
async def any_shop(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A shop in a file, or on a server, where transactions run side by side."""
    schema = "tests.unit.chassis_bus.shop_schema"
    url = f"sqlite:///{tmp_path}/side.sqlite3" if request.param == "sqlite" else mysql_url()
    database = await open_database(url, schema, SystemClock(), migrate=True)
    yield database
    await database.close()
    if request.param == "mysql":
        drop_mysql(url)


async def test_the_order_of_a_key_holds_however_transactions_end(
    any_shop: Database, bus: StumblingBus
) -> None:
    keys = [f"shops/{number}" for number in range(3)]
    table = sa.Table(
        "shops", sa.MetaData(), sa.Column("name", sa.String(50)), sa.Column("version", sa.Integer)
    )
    rises = sa.update(table).values(version=table.c.version + 1)

    def open_all(conn: sa.Connection) -> None:
        table.create(conn)
        conn.execute(sa.insert(table), [{"name": key, "version": 0} for key in keys])

    await any_shop.write(open_all)
    relay = Relay(any_shop, OUTBOX, bus)

    async def keep_shop(key: str) -> None:
        def work(conn: sa.Connection) -> None:
            conn.execute(rises.where(table.c.name == key))
            version = conn.execute(sa.select(table.c.version).where(table.c.name == key)).scalar()
            one = Record(TOPIC, key, f"{key}={version}".encode(), {})
            append(conn, OUTBOX, [one], SystemClock().now())
            # Those of other keys, and of this one, that come later may end before.
            time.sleep(random.uniform(0, 0.01))

        for _ in range(25):
            await any_shop.write(work)
            relay.wake()

    async with published(bus) as values, running(relay):
        async with asyncio.TaskGroup() as keepers:
            for key in keys * 2:
                keepers.create_task(keep_shop(key))
        had = [value.decode().partition("=") for value in await some(values, 150)]
    for key in keys:
        assert [int(n) for name, _, n in had if name == key] == list(range(1, 51))
