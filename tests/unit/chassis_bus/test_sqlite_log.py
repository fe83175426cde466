"""What the log in SQLite does beyond what every bus promises."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from chassis.bus import Bus, Record, open_bus
from chassis.bus.delivery import backoff
from chassis.clock import Clock, ManualClock, SystemClock
from chassis.faults import Invalid

FACTS = "allocator.books.facts.v1"
STATE = "allocator.books.state.v1"
PATIENCE = 20.0
DAY = 86_400.0

PUBLISHES = """
import asyncio, itertools, sys
from chassis.bus import Record, open_bus
from chassis.clock import SystemClock

async def main():
    bus = await open_bus(sys.argv[1], SystemClock())
    for number in itertools.count():
        await bus.publish([Record("allocator.books.facts.v1", "books/a", str(number).encode())])
        print(number, flush=True)

asyncio.run(main())
"""


def url(folder: Path) -> str:
    return f"sqlite:///{folder}/bus.sqlite3"


@asynccontextmanager
async def opened(folder: Path, clock: Clock) -> AsyncIterator[Bus]:
    bus = await open_bus(url(folder), clock)
    yield bus
    await bus.close()


async def values(bus: Bus, topic: str, group: str, count: int) -> list[tuple[str, bytes]]:
    """Keys and values of the first records that a new group gets."""
    had: list[tuple[str, bytes]] = []
    enough = asyncio.Event()

    async def effect(record: Record) -> None:
        had.append((record.key, record.value))
        if len(had) == count:
            enough.set()

    task = asyncio.create_task(bus.consume(group, [topic], effect))
    try:
        await asyncio.wait_for(enough.wait(), PATIENCE)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return had


async def test_what_one_process_publishes_another_one_hears(tmp_path: Path) -> None:
    clock = SystemClock()
    async with opened(tmp_path, clock) as one, opened(tmp_path, clock) as two:
        hearing = asyncio.create_task(values(two, FACTS, "readers", 2))
        await one.publish([Record(FACTS, "books/a", b"1")])
        await two.publish([Record(FACTS, "books/a", b"2")])
        assert await hearing == [("books/a", b"1"), ("books/a", b"2")]


async def test_facts_are_kept_for_a_time_and_states_for_ever(tmp_path: Path) -> None:
    clock = ManualClock()
    async with opened(tmp_path, clock) as bus:
        await bus.publish([Record(FACTS, "books/a", b"1"), Record(STATE, "books/a", b"1")])
        await bus.publish([Record(STATE, "books/b", b"1"), Record(STATE, "books/b", b"")])
        clock.advance(29 * DAY)
        await bus.publish([Record(FACTS, "books/a", b"2"), Record(STATE, "books/c", b"")])
        assert (await values(bus, FACTS, "one", 2))[0] == ("books/a", b"1")
        clock.advance(2 * DAY)
        await bus.publish([Record(FACTS, "books/a", b"3")])
        assert await values(bus, FACTS, "two", 2) == [("books/a", b"2"), ("books/a", b"3")]
        assert await values(bus, STATE, "two", 2) == [("books/a", b"1"), ("books/c", b"")]


async def test_a_position_is_never_given_twice(tmp_path: Path) -> None:
    clock = ManualClock()
    bus = await open_bus(url(tmp_path), clock, retention=timedelta(hours=1))
    await bus.publish([Record(FACTS, "books/a", b"1")])
    assert await values(bus, FACTS, "readers", 1) == [("books/a", b"1")]
    clock.advance(DAY)
    await bus.publish([Record("allocator.others.facts.v1", "others/a", b"x")])
    await bus.close()
    async with opened(tmp_path, clock) as bus:
        await bus.publish([Record(FACTS, "books/a", b"2")])
        assert await values(bus, FACTS, "readers", 1) == [("books/a", b"2")]


async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PUBLISHES, url(tmp_path)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    async with asyncio.timeout(PATIENCE):
        last = b""
        while last != b"200\n":
            last = await process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        acknowledged = 200 + len((await process.stdout.read()).splitlines())
        await process.wait()
    async with opened(tmp_path, SystemClock()) as bus:
        had = await values(bus, FACTS, "readers", acknowledged + 1)
        assert [int(value) for _, value in had[: acknowledged + 1]] == list(range(acknowledged + 1))


async def test_delays_grow_to_a_limit() -> None:
    delays = [backoff(count) for count in range(1, 50)]
    assert 0.04 < delays[0] <= 0.05
    assert delays[3] > delays[2] > delays[1]
    assert 27 <= max(delays) <= 30


async def test_a_group_has_a_name(tmp_path: Path) -> None:
    async with opened(tmp_path, SystemClock()) as bus:

        async def effect(_record: Record) -> None:
            return

        with pytest.raises(Invalid, match="group"):
            await bus.consume("", [FACTS], effect)


async def test_there_is_no_bus_for_every_url() -> None:
    with pytest.raises(ValueError, match="gopher"):
        await open_bus("gopher://x", SystemClock())
