"""The clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from chassis.clock import ManualClock, SystemClock, instant_of, millis_of, rfc3339, truncated


def test_the_present_is_aware_and_in_whole_milliseconds() -> None:
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert now.microsecond % 1000 == 0
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)


def test_instants_go_to_milliseconds_and_back() -> None:
    instant = datetime(2026, 3, 1, 12, 0, 0, 250_999, tzinfo=timezone(timedelta(hours=2)))
    assert instant_of(millis_of(instant)) == datetime(2026, 3, 1, 10, 0, 0, 250_000, tzinfo=UTC)
    assert truncated(instant).tzinfo is UTC
    assert rfc3339(instant) == "2026-03-01T10:00:00.250Z"
    with pytest.raises(ValueError, match="no time zone"):
        millis_of(datetime(2026, 3, 1))  # noqa: DTZ001 - that is the point


async def test_sleepers_wake_in_the_order_in_which_they_are_due() -> None:
    clock = ManualClock()
    woken: list[str] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("late", 3))
        group.create_task(sleeper("early", 1))
        group.create_task(sleeper("never yet", 10))
        await clock.until_sleepers(3)
        start = clock.now()
        clock.advance(5)
        assert clock.now() - start == timedelta(seconds=5)
        assert clock.monotonic() == 5
        await asyncio.sleep(0)
        assert woken == ["early", "late"]
        assert clock.sleepers == 1
        clock.advance(5)


async def test_running_goes_from_sleep_to_sleep() -> None:
    clock = ManualClock()
    ticks: list[float] = []

    async def ticker() -> None:
        while True:
            await clock.sleep(2)
            ticks.append(clock.monotonic())

    task = asyncio.create_task(ticker())
    await clock.run(7)
    assert ticks == [2, 4, 6]
    assert clock.monotonic() == 7
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock.sleepers == 0


async def test_a_cancelled_sleeper_is_not_in_the_way() -> None:
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(1))
    await clock.until_sleepers()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    clock.advance(2)
    await clock.sleep(0)
    assert clock.sleepers == 0
