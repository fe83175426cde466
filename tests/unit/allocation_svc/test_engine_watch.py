"""What is known of the node between two questions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import structlog

from allocation_svc.adapters.step_observer.telemetry import TelemetryStepObserver
from allocation_svc.domain.instance import Node
from allocation_svc.ports.engine import Engine, EngineEvent
from allocation_svc.usecases.engine_watch import EngineWatch
from chassis.clock import ManualClock
from chassis.faults import Unavailable
from tests.unit.allocation_svc.examples import NOW


class Answering:
    """An engine that answers what its node is, when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def events(self) -> AsyncIterator[EngineEvent]:
        """Says that it answers, unless it is away."""
        if self.away:
            raise Unavailable("It is away.")
        yield EngineEvent(available=True)

    async def node(self) -> Node:
        """The node; its host says which answer it is."""
        self.asked += 1
        number = self.asked
        await self.may_answer.wait()
        if self.away:
            raise Unavailable("It is away.")
        return Node("here", "docker", str(number), True, False, False, 250, 0, 0)


def a_watch() -> tuple[EngineWatch, Answering, ManualClock]:
    """One that has asked nothing yet, its engine and its clock."""
    engine, clock = Answering(), ManualClock(NOW)
    observer = TelemetryStepObserver(structlog.get_logger())
    return EngineWatch(cast("Engine", engine), clock, observer), engine, clock


async def test_it_is_asked_again_after_half_a_minute_and_after_a_change() -> None:
    watch, engine, clock = a_watch()
    assert [(await watch.node()).public_host for _ in range(3)] == ["1", "1", "1"]
    clock.advance(31)
    assert [(await watch.node()).public_host for _ in range(2)] == ["2", "2"]
    watch.node_changed()
    assert [(await watch.node()).public_host for _ in range(2)] == ["3", "3"]
    assert engine.asked == 3


async def test_what_was_known_is_told_while_it_does_not_answer_and_it_is_not_asked_all_the_time() -> (
    None
):
    watch, engine, clock = a_watch()
    await watch.node()
    engine.away = True
    watch.node_changed()
    assert [(await watch.node()).public_host for _ in range(5)] == ["1"] * 5
    assert engine.asked == 2
    engine.away = False
    clock.advance(3)
    assert (await watch.node()).public_host == "3"


async def test_a_change_while_it_is_being_asked_is_not_missed() -> None:
    watch, engine, _ = a_watch()
    await watch.node()
    engine.may_answer.clear()
    asking = asyncio.create_task(watch.refresh_node())
    await asyncio.sleep(0)
    watch.node_changed()
    engine.may_answer.set()
    await asking
    assert (await watch.node()).public_host == "3", (
        "the second answer may be from before the change"
    )


async def test_one_that_comes_up_beside_us_is_not_away_until_some_seconds_have_passed() -> None:
    watch, engine, clock = a_watch()
    engine.away = True
    following = asyncio.create_task(watch.run())
    for _ in range(3):
        await settle()
        assert watch.answers
        clock.advance(2)
    await settle()
    assert not watch.answers
    engine.away = False
    clock.advance(5)
    await settle()
    engine.away = True
    clock.advance(5)
    await settle()
    assert not watch.answers, "once it was heard, it is away as soon as it is silent"
    following.cancel()
    await asyncio.wait([following])


async def settle() -> None:
    """Lets whatever can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)
