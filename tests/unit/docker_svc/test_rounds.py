"""Going on to look at instances that are ready."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

import pytest
import pytest_asyncio

from chassis.clock import ManualClock
from docker_svc.domain import (
    HttpCheck,
    InstanceKey,
    InstanceSpec,
    Limits,
    Liveness,
    Probe,
    Standing,
    State,
    Target,
    TcpCheck,
)
from docker_svc.ports.instance_records import InstanceRecord, Wanted
from docker_svc.usecases.probing import Probing
from docker_svc.usecases.rounds import Rounds
from docker_svc.usecases.tracked import Tracked

AT_ONCE = 8


@dataclass
class Fleet:
    """Instances that answer or do not, and who looks at them how often."""

    clock: ManualClock = field(default_factory=ManualClock)
    silent: set[str] = field(default_factory=set)
    hanging: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    looks: dict[str, list[float]] = field(default_factory=dict)
    at_once: dict[str, int] = field(default_factory=dict)
    most: int = 0
    reports: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Puts the parts together; the network and the runtime are this object."""
        probing = Probing(self, self, self, self.clock)  # type: ignore[arg-type]
        self.rounds = Rounds(
            probing, self.clock, self.turned, lambda name, _: self.reports.append(name), AT_ONCE
        )

    def turned(self, tracked: Tracked, answers: bool) -> None:
        """As `Life` does."""
        tracked.change(unanswered=not answers)

    def targets(self, standing: Standing, port: int) -> list[Target]:
        """One, which names the instance."""
        return [Target(standing.key.allocation, port, direct=True)]

    async def answers(self, check: TcpCheck | HttpCheck, targets: Sequence[Target]) -> bool:
        """A look."""
        del check
        name = targets[0].host
        self.looks.setdefault(name, []).append(self.clock.monotonic())
        self.at_once[name] = self.at_once.get(name, 0) + 1
        self.most = max(self.most, sum(self.at_once.values()))
        assert self.at_once[name] == 1, "looks at one instance never overlap"
        try:
            if name in self.broken:
                raise OSError("no more files")
            if name in self.hanging:
                await self.clock.sleep(25)
            await asyncio.sleep(0)
            return name not in self.silent
        finally:
            self.at_once[name] -= 1

    def ready(self, name: str, liveness: Liveness | None = None) -> Tracked:
        """A ready instance that is attended."""
        key = InstanceKey(f"allocations/{name}", 1)
        liveness = liveness or Liveness(10.0, 3)
        spec = InstanceSpec(Limits(1, 1, 1), probe=Probe(TcpCheck(1), liveness=liveness))
        tracked = Tracked(InstanceRecord(key, spec, Wanted.RUNNING))
        tracked.count(Standing(key, name, running=True, run="r1"))
        tracked.change(ready=True)
        self.rounds.attend(tracked)
        return tracked


def state_of(tracked: Tracked) -> State:
    """What is so of it now."""
    return tracked.state


@pytest_asyncio.fixture
async def fleet() -> AsyncIterator[Fleet]:
    made = Fleet()
    task = asyncio.create_task(made.rounds.run())
    yield made
    task.cancel()
    await asyncio.wait([task])


async def test_one_that_falls_silent_is_unhealthy_after_so_many_looks_until_it_answers(
    fleet: Fleet,
) -> None:
    one = fleet.ready("a")
    await fleet.clock.run(60)
    assert state_of(one) is State.READY
    fleet.silent.add("allocations/a")
    before = len(fleet.looks["allocations/a"])
    while len(fleet.looks["allocations/a"]) < before + 2:
        await fleet.clock.run(1)
    await fleet.clock.run(1)
    assert state_of(one) is State.READY, "twice is not thrice"
    await fleet.clock.run(11)
    assert state_of(one) is State.UNHEALTHY
    assert one.shown("process", "here", fleet.clock.now()).reason == "PROBE_UNANSWERED"
    fleet.silent.clear()
    await fleet.clock.run(11)
    assert state_of(one) is State.READY
    assert one.shown("process", "here", fleet.clock.now()).reason == ""


async def test_one_answer_in_between_begins_the_count_anew(fleet: Fleet) -> None:
    one = fleet.ready("a", Liveness(10.0, 2))
    for _ in range(20):
        fleet.silent ^= {"allocations/a"}
        seen = len(fleet.looks.get("allocations/a", []))
        while len(fleet.looks.get("allocations/a", [])) == seen:
            await fleet.clock.run(0.5)
        await fleet.clock.run(0.1)
        assert state_of(one) is State.READY


async def test_one_that_is_paused_is_not_looked_at_and_not_blamed_afterwards(fleet: Fleet) -> None:
    one = fleet.ready("a")
    assert one.standing is not None
    one.count(replace(one.standing, paused=True))
    assert state_of(one) is State.UNHEALTHY
    assert one.shown("docker", "here", fleet.clock.now()).reason == "INSTANCE_PAUSED"
    await fleet.clock.run(100)
    assert not fleet.looks
    one.count(replace(one.standing, paused=False))
    await fleet.clock.run(15)
    assert state_of(one) is State.READY
    assert fleet.looks


@pytest.mark.parametrize("how", ["ended", "run", "moving"])
async def test_who_is_not_ready_any_more_is_not_looked_at(fleet: Fleet, how: str) -> None:
    one = fleet.ready("a")
    assert one.standing is not None
    if how == "ended":
        one.count(replace(one.standing, running=False))
    elif how == "run":
        one.count(replace(one.standing, run="r2"))
    else:
        one.moving = State.STOPPING
    await fleet.clock.run(100)
    assert not fleet.looks


async def test_what_keeps_us_from_looking_is_no_fault_of_the_instance(fleet: Fleet) -> None:
    one = fleet.ready("a")
    fleet.broken.add("allocations/a")
    await fleet.clock.run(100)
    assert state_of(one) is State.READY
    assert set(fleet.reports) == {"allocations/a"}


async def test_those_that_hang_keep_nobody_else_waiting_for_long(fleet: Fleet) -> None:
    for number in range(AT_ONCE - 1):
        fleet.hanging.add(f"allocations/h{number}")
        fleet.ready(f"h{number}", Liveness(30.0, 3))
    well = fleet.ready("well")
    await fleet.clock.run(120)
    assert state_of(well) is State.READY
    assert len(fleet.looks["allocations/well"]) >= 10


async def test_a_thousand_are_looked_at_spread_over_the_period(fleet: Fleet) -> None:
    for number in range(1000):
        fleet.ready(f"n{number}")
    await fleet.clock.run(60)
    assert len(fleet.looks) == 1000
    assert fleet.most <= AT_ONCE
    for times in fleet.looks.values():
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert gaps
        assert all(8.5 < gap < 11.5 for gap in gaps)
    seconds = [int(at) for times in fleet.looks.values() for at in times if at > 20]
    busiest = max(seconds.count(second) for second in set(seconds))
    assert busiest < 300, "not all at once"
