"""Facts into the broker's read models: how many a second, and how long a rebuild takes. Embedded."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from allocator.allocations.v1 import allocation_facts_pb2, allocation_pb2

from benchmarks.figures import Figure
from broker.adapters.state_topics.bus import BusStateTopics
from broker.adapters.topics.bus import BusTopics
from broker.composition import ReadModels, open_read_models
from broker.domain.entry import Kind
from broker.transport.consumer import GROUP, TIMELINE_GROUP, FactConsumer, StateConsumer
from broker.transport.events import anonymous
from broker.transport.facts import fact_topics
from broker.transport.mapping import TOPICS
from broker.usecases.erasing import Erasing
from broker.usecases.learning import Learning
from broker.usecases.rebuilding import Rebuilding
from chassis.bus import Bus, Record, open_bus
from chassis.bus.facts import fact_records
from chassis.clock import SystemClock
from chassis.serving import Store

FACTS = 30_000
ALLOCATIONS = 100_000
ROUNDS = 3
T0 = datetime(2026, 1, 1, tzinfo=UTC)
_AT_ONCE = 1000


def run() -> list[Figure]:
    rates = [asyncio.run(learnt()) for _ in range(ROUNDS)]
    seconds = asyncio.run(rebuilt())
    return [
        Figure(
            "facts a second, with their states, into timelines and the directory, embedded",
            "",
            median(rates),
            "≥ 3000",
            "/s",
            " ".join(f"{rate:,.0f}" for rate in rates),
        ),
        Figure(
            f"the directory of {ALLOCATIONS:,} allocations made anew while it is read, embedded",
            "",
            seconds,
            "< 60",
            "s",
            f"{ALLOCATIONS / seconds:,.0f} a second",
        ),
    ]


def told(number: int, allocation: int) -> Sequence[Record]:
    """A fact about an allocation and its state, as allocation_svc publishes them."""
    name = f"allocations/a{allocation:06}"
    resource = allocation_pb2.Allocation(
        name=name,
        uid=f"00000000-0000-4000-8000-{allocation:012}",
        owner=f"users/u{allocation % 500}",
        machine=f"machines/m{allocation % 50}",
        machine_title="Redis",
        display_name="my cache",
        host="127.0.0.1",
        port=20_000 + allocation % 1000,
        state=allocation_pb2.Allocation.State.READY,
        etag=str(number),
    )
    resource.create_time.FromDatetime(T0)
    return fact_records(
        noun="allocations",
        source="allocation_svc",
        fact=allocation_facts_pb2.AllocationReady(allocation=resource),
        resource=resource,
        key=name,
        version=number + 1,
        now=T0 + timedelta(milliseconds=number),
    )


async def opened(
    folder: Path, exits: AsyncExitStack
) -> tuple[Bus, ReadModels, StateConsumer, FactConsumer]:
    clock = SystemClock()
    bus = await open_bus(f"sqlite:///{folder}/bus.sqlite3", clock)
    exits.push_async_callback(bus.close)
    store = Store("broker", "broker.schema")
    models = await open_read_models(store, folder, clock, exits, 1000)
    erasing = Erasing(models.directory, BusTopics(bus), anonymous)
    learning = Learning(models.directory, models.timeline, erasing, anonymous)
    return bus, models, StateConsumer(learning, clock), FactConsumer(learning)


async def learnt() -> float:
    """Facts a second, from a log in which they all wait, until both read models have the last."""
    async with AsyncExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory()))
        bus, models, learn_states, learn_facts = await opened(folder, exits)
        for start in range(0, FACTS, _AT_ONCE):
            await bus.publish(
                [
                    record
                    for number in range(start, start + _AT_ONCE)
                    for record in told(number, number % (FACTS // 5))
                ]
            )
        last = f"allocations/a{(FACTS - 1) % (FACTS // 5):06}"
        began = time.perf_counter()
        tasks = [
            asyncio.create_task(bus.consume_many(GROUP, TOPICS, learn_states)),
            asyncio.create_task(bus.consume_many(TIMELINE_GROUP, fact_topics(), learn_facts)),
        ]
        while not await has_all(models, last):
            await asyncio.sleep(0.01)
        rate = FACTS / (time.perf_counter() - began)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return rate


async def has_all(models: ReadModels, last: str) -> bool:
    """Whether both have what is published last."""
    entry = await models.directory.get(Kind.ALLOCATION, last)
    if entry is None:
        return False
    events = await models.timeline.events(last, "", "", 10, descending=True)
    return bool(events) and len(events or ()) == FACTS // (FACTS // 5)


async def rebuilt() -> float:
    """Seconds of a rebuild, without the quiet at its end that it takes for the end of the topics."""
    quiet = 2.0
    async with AsyncExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory()))
        bus, models, learn_states, _ = await opened(folder, exits)
        for start in range(0, ALLOCATIONS, _AT_ONCE):
            await bus.publish([told(n, n)[1] for n in range(start, start + _AT_ONCE)])
        topics = BusStateTopics(bus, TOPICS, learn_states, quiet)
        began = time.perf_counter()
        assert await Rebuilding(models.directory, topics).rebuild() == ALLOCATIONS
        return time.perf_counter() - began - quiet
