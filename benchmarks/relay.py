"""Facts from an outbox to a consumer: how many a second, and how soon.

Runs only where ALLOCATOR_TEST_KAFKA names a Kafka (host:port); from a SQL server also where
ALLOCATOR_TEST_MYSQL_URL names one. The yardstick is a bare producer of confluent-kafka that publishes the
same messages on the same topic from memory.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, alternating, percentile
from chassis.bus import Bus, Record, ensure_topics, open_bus
from chassis.bus.outbox import Relay, append
from chassis.clock import SystemClock
from chassis.sql import Database, open_database
from machines_svc.schema.tables import OUTBOX

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

FACTS = 20_000
KEYS = 1000
PAIRS = 3
SOON = 2000
PER_SECOND = 200
TOPIC = "allocator.benchmarks.facts.v1"


def run() -> list[Figure]:
    if not os.environ.get("ALLOCATOR_TEST_KAFKA"):
        print("relay: ALLOCATOR_TEST_KAFKA is not set, so this is left out", file=sys.stderr)
        return []
    figures = asyncio.run(measured("SQLite"))
    if os.environ.get("ALLOCATOR_TEST_MYSQL_URL"):
        figures += asyncio.run(measured("MySQL"))
    else:
        print("relay: ALLOCATOR_TEST_MYSQL_URL is not set, so SQLite alone", file=sys.stderr)
    return figures


async def measured(kind: str) -> list[Figure]:
    async with AsyncExitStack() as exits:
        url = await exits.enter_async_context(kafka())
        database = await exits.enter_async_context(opened(kind))
        bus = await open_bus(url, SystemClock())
        exits.push_async_callback(bus.close)
        loop = asyncio.get_running_loop()

        def ours() -> float:
            return asyncio.run_coroutine_threadsafe(relayed(database, bus), loop).result()

        pairs = asyncio.to_thread(alternating, ours, lambda: bare(url), PAIRS)
        rates, bares, ratio = await pairs
        late = await latencies(database, bus)
    store = f"an outbox in {kind}"
    return [
        Figure(
            f"facts a second from {store} through Kafka",
            "a bare confluent-kafka producer",
            ratio,
            "≥ 0.05",
            "×",
            f"{median(rates):,.0f}/s against {median(bares):,.0f}/s",
        ),
        Figure(f"facts a second from {store}", "", median(rates), "≥ 5000", "/s"),
        Figure(
            f"from commit in {kind} to the consumer, p99, {PER_SECOND}/s",
            "",
            percentile(late, 0.99) * 1000,
            "< 50",
            "ms",
            f"median {median(late) * 1000:.1f} ms",
        ),
    ]


@asynccontextmanager
async def kafka() -> AsyncIterator[str]:
    from kafka_topics import own_kafka

    async with own_kafka(partitions=6) as url:
        await ensure_topics(url, ["benchmarks"])
        yield url


@asynccontextmanager
async def opened(kind: str) -> AsyncIterator[Database]:
    from servers import drop_mysql, mysql_url

    clock = SystemClock()
    with tempfile.TemporaryDirectory() as folder:
        url = mysql_url() if kind == "MySQL" else f"sqlite:///{folder}/benchmark.sqlite3"
        database = await open_database(url, "machines_svc.schema", clock, migrate=True)
        try:
            yield database
        finally:
            await database.close()
            if kind == "MySQL":
                drop_mysql(url)


def fact(number: int) -> Record:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": f"00000000-0000-4000-8000-{number:012}",
        "ce-source": "benchmarks",
        "ce-type": "allocator.machines.v1.MachinePublished",
        "ce-time": "2026-01-01T00:00:00.000Z",
        "ce-subject": f"machines/{number % KEYS}",
        "version": str(number),
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    return Record(TOPIC, f"machines/{number % KEYS}", bytes(200), headers)


async def relayed(database: Database, bus: Bus) -> float:
    """Facts a second of a relay that finds them all waiting."""
    clock = SystemClock()
    for start in range(0, FACTS, 1000):
        some = [fact(number) for number in range(start, start + 1000)]
        await database.write(lambda conn, some=some: append(conn, OUTBOX, some, clock.now()))
    relay = Relay(database, OUTBOX, bus)
    began = time.perf_counter()
    assert await relay.flush(120)
    return FACTS / (time.perf_counter() - began)


def bare(url: str) -> float:
    """Facts a second of a producer that has them in memory."""
    from confluent_kafka import Producer

    servers, _, prefix = url.removeprefix("kafka://").partition("/")
    producer = Producer({
        "bootstrap.servers": servers,
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
        "queue.buffering.max.messages": FACTS * 2,
    })  # fmt: skip
    some = [fact(number) for number in range(FACTS)]
    left = FACTS
    failed: list[object] = []

    def delivered(error: object, _message: object) -> None:
        nonlocal left
        left -= 1
        if error is not None:
            failed.append(error)

    producer.list_topics(f"{prefix}.{TOPIC}", timeout=10)
    began = time.perf_counter()
    for one in some:
        producer.produce(
            f"{prefix}.{TOPIC}",
            one.value,
            one.key,
            headers=list(one.headers.items()),
            on_delivery=delivered,
        )
        producer.poll(0)
    producer.flush(60)
    rate = FACTS / (time.perf_counter() - began)
    assert left == 0
    assert not failed
    return rate


async def latencies(database: Database, bus: Bus) -> Sequence[float]:
    """Seconds from before the commit of a fact until a consumer has it, at a steady rate."""
    clock = SystemClock()
    committed: dict[str, float] = {}
    took: list[float] = []
    here, everything = asyncio.Event(), asyncio.Event()

    async def effect(record: Record) -> None:
        took.append(time.perf_counter() - committed[record.headers["ce-id"]])
        here.set()
        if len(took) == SOON + 1:
            everything.set()

    started = asyncio.Event()
    relay = Relay(database, OUTBOX, bus)
    tasks = [
        asyncio.create_task(relay.run()),
        asyncio.create_task(bus.tail([TOPIC], effect, started)),
    ]
    await started.wait()

    async def commit(number: int) -> None:
        one = fact(number)
        committed[one.headers["ce-id"]] = time.perf_counter()
        await database.write(lambda conn: append(conn, OUTBOX, [one], clock.now()))
        relay.wake()

    await commit(FACTS)
    await here.wait()
    next_at = time.perf_counter()
    for number in range(FACTS + 1, FACTS + 1 + SOON):
        await commit(number)
        next_at += 1 / PER_SECOND
        await asyncio.sleep(max(0.0, next_at - time.perf_counter()))
    await asyncio.wait_for(everything.wait(), 60)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return took[1:]
