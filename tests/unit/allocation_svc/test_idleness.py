"""Finding out what is in use: how often it is asked, and who is decided on then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
import pytest_asyncio
import structlog

from allocation_svc.adapters.step_observer.telemetry import TelemetryStepObserver
from allocation_svc.domain.allocation import Allocation, Desired, PlannedChange, State, StateReason
from allocation_svc.domain.terms import Terms
from allocation_svc.usecases.idleness import Idleness
from allocation_svc.usecases.terms_watch import TermsWatch
from chassis.clock import ManualClock
from chassis.faults import Unavailable
from tests.unit.allocation_svc.examples import NOW, an_allocation


@dataclass
class Watches:
    """Instances that somebody looks at; `used` is when each was last in use, by the clock of the engine."""

    clock: ManualClock
    used: dict[str, float] = field(default_factory=dict)
    away: bool = False
    asked: list[Sequence[str]] = field(default_factory=list)

    async def idle_seconds(self, allocations: Sequence[str]) -> Mapping[str, float]:
        """See the port."""
        self.asked.append(allocations)
        if self.away:
            raise Unavailable("The engine does not answer.", reason="ENGINE_UNAVAILABLE")
        now = self.clock.monotonic()
        return {name: now - self.used[name] for name in allocations if name in self.used}


@dataclass
class Watched:
    """What runs."""

    clock: ManualClock
    engine: Watches
    idleness: Idleness
    kicked: list[str] = field(default_factory=list)


@pytest_asyncio.fixture
async def watched() -> AsyncIterator[Watched]:
    """One that asks every 30 s."""
    clock = ManualClock()
    engine = Watches(clock)
    idleness = Idleness(engine, clock, TelemetryStepObserver(structlog.get_logger()), seconds=30.0)
    made = Watched(clock, engine, idleness)
    task = asyncio.create_task(idleness.run(made.kicked.append))
    yield made
    task.cancel()
    await asyncio.wait([task])


def idling(name: str = "allocations/a", seconds: float = 600.0) -> Allocation:
    """One that runs and is stopped when nobody uses it."""
    return an_allocation(State.READY, name=name, terms=Terms(idle_seconds=seconds))


def with_plan(allocation: Allocation) -> Allocation:
    """One whose stop is planned."""
    plan = PlannedChange(NOW, Desired.STOPPED, StateReason("IDLE", "Nobody."))
    return replace(allocation, planned=plan)


async def test_without_idle_policies_nothing_is_asked(watched: Watched) -> None:
    watched.idleness.noticed(an_allocation(State.READY))
    watched.idleness.noticed(replace(idling(), state=State.STOPPED))
    await watched.clock.run(300)
    assert watched.engine.asked == []


async def test_a_new_one_is_asked_for_soon_and_decided_on_once(watched: Watched) -> None:
    watched.engine.used["allocations/a"] = watched.clock.monotonic()
    watched.idleness.noticed(idling())
    await watched.clock.run(100)
    assert watched.kicked == ["allocations/a"]
    assert 3 <= len(watched.engine.asked) <= 5
    use = watched.idleness.use("allocations/a")
    assert use is not None
    assert use.last_time <= use.asked_time <= watched.clock.now()


async def test_use_that_comes_back_is_news_only_where_a_stop_is_planned(watched: Watched) -> None:
    watched.engine.used["allocations/a"] = watched.clock.monotonic()
    watched.idleness.noticed(idling())
    await watched.clock.run(100)
    watched.kicked.clear()
    watched.engine.used["allocations/a"] = watched.clock.monotonic()
    await watched.clock.run(100)
    assert watched.kicked == []
    watched.idleness.noticed(with_plan(idling()))
    watched.engine.used["allocations/a"] = watched.clock.monotonic()
    await watched.clock.run(60)
    assert watched.kicked == ["allocations/a"]


async def test_what_is_due_is_looked_at_when_it_is_due(watched: Watched) -> None:
    watched.engine.used["allocations/a"] = watched.clock.monotonic()
    watched.idleness.noticed(idling(seconds=75.0))
    await watched.clock.run(74)
    watched.kicked.clear()
    await watched.clock.run(4)
    assert watched.kicked == ["allocations/a"]
    use = watched.idleness.use("allocations/a")
    assert use is not None
    assert use.asked_time - use.last_time >= timedelta(seconds=75)


async def test_an_engine_that_is_away_makes_nothing_idle(watched: Watched) -> None:
    watched.engine.used["allocations/a"] = watched.clock.monotonic()
    watched.idleness.noticed(idling(seconds=75.0))
    await watched.clock.run(10)
    watched.kicked.clear()
    watched.engine.away = True
    await watched.clock.run(600)
    assert watched.kicked == []
    use = watched.idleness.use("allocations/a")
    assert use is not None
    assert watched.clock.now() - use.asked_time > timedelta(seconds=590)


async def test_a_thousand_are_asked_for_in_parts(watched: Watched) -> None:
    for number in range(1200):
        watched.idleness.noticed(idling(f"allocations/a{number:04}"))
    await watched.clock.run(2)
    assert [len(part) for part in watched.engine.asked[:3]] == [500, 500, 200]


@pytest.mark.parametrize("gone", ["stopped", "deleted", "no policy"])
async def test_what_is_not_to_be_watched_is_forgotten(watched: Watched, gone: str) -> None:
    watched.engine.used["allocations/a"] = 0.0
    watched.idleness.noticed(idling())
    await watched.clock.run(2)
    if gone == "stopped":
        watched.idleness.noticed(replace(idling(), state=State.STOPPED))
    elif gone == "deleted":
        watched.idleness.noticed(replace(idling(), state=State.DELETED))
    else:
        watched.idleness.noticed(replace(idling(), terms=Terms()))
    assert watched.idleness.use("allocations/a") is None


def test_each_one_with_terms_is_decided_on_once_and_when_its_time_has_come() -> None:
    clock = ManualClock()
    engine = Watches(clock)
    watch = TermsWatch(Idleness(engine, clock, TelemetryStepObserver(structlog.get_logger())))
    allocation = with_plan(idling())
    assert watch.noticed(allocation)
    assert not watch.noticed(allocation)
    assert watch.due(NOW - timedelta(seconds=1)) == []
    assert watch.due(NOW) == [allocation.name]
    assert not watch.noticed(an_allocation(State.READY))
    watch.noticed(replace(allocation, state=State.DELETED))
    assert watch.due(NOW) == []
    watch.clear()
    assert watch.noticed(allocation)
