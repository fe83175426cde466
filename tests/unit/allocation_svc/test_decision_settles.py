"""Whatever happens in whatever order, an allocation comes to rest where its owner wants it.

The engine is a model here: a few lines that say what the contract of ContainerService promises. The
decisions are followed with a process that forgets everything whenever it is killed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from allocation_svc.domain import requests
from allocation_svc.domain.allocation import Allocation, Desired, State
from allocation_svc.domain.clock_steps import decide_by_any_clock
from allocation_svc.domain.crashes import RestartPolicy
from allocation_svc.domain.faults import AllocationDeleted, AllocationNotRunning
from allocation_svc.domain.instance import Instance, InstanceState
from allocation_svc.domain.step import Act, Observation, Step
from tests.unit.allocation_svc.examples import NOW, RULES, an_allocation

RUNS = (InstanceState.RUNNING, InstanceState.READY, InstanceState.UNHEALTHY)


@dataclass
class ModelEngine:
    """One allocation's instance. `refusals` is what the next attempts to make or start one meet."""

    name: str
    state: InstanceState = InstanceState.MISSING
    generation: int = 0
    incarnation: int = 0
    stop_requested: bool = False
    exit_code: int | None = None
    reason: str = ""
    restarting: bool = False
    starts: int = 0
    refusals: tuple[str, ...] = ()
    ended_with_host: bool = False

    def instance(self, now: datetime) -> Instance:
        """As it is told."""
        return Instance(
            self.name,
            self.generation,
            self.state,
            self.incarnation,
            exit_code=self.exit_code,
            stop_requested=self.stop_requested,
            ended_with_host=self.ended_with_host,
            reason=self.reason,
            observe_time=now,
        )

    def call(self, act: Act, allocation: Allocation) -> None:
        """One call, as the contract says."""
        generation = allocation.generation
        if act is Act.REMOVE:
            self.become(InstanceState.MISSING, max(generation, self.generation), 0)
            return
        if act is Act.ENSURE and generation > self.generation:
            self.become(InstanceState.CREATING, generation, 0)
            if (refusal := self.next_refusal()) is not None:
                self.become(InstanceState.FAILED, generation, 0, reason=refusal)
            return
        if self.state is InstanceState.MISSING or generation != self.generation:
            return
        if act is Act.START and self.state in (InstanceState.EXITED, InstanceState.FAILED):
            if (refusal := self.next_refusal()) is not None:
                self.become(InstanceState.FAILED, generation, self.incarnation, reason=refusal)
            else:
                self.run()
        if act is Act.STOP and self.state in (*RUNS, InstanceState.CREATING):
            self.become(InstanceState.STOPPING, generation, self.incarnation, stop=True)
        if act is Act.STOP and self.reason == "PROBE_TIMED_OUT":
            self.become(InstanceState.EXITED, generation, self.incarnation, stop=True)
        if act is Act.RESTART and allocation.after_incarnation == self.incarnation:
            self.run()

    def next_refusal(self) -> str | None:
        """What the next attempt meets; None for nothing."""
        refusal, self.refusals = (*self.refusals[:1], None)[0], self.refusals[1:]
        return refusal

    def run(self) -> None:
        """The program starts."""
        self.starts += 1
        self.become(InstanceState.RUNNING, self.generation, self.incarnation + 1)

    def become(
        self,
        state: InstanceState,
        generation: int,
        incarnation: int,
        *,
        stop: bool = False,
        reason: str = "",
        exit_code: int | None = None,
    ) -> None:
        """Another state."""
        self.state, self.generation, self.incarnation = state, generation, incarnation
        self.stop_requested, self.reason, self.exit_code = stop, reason, exit_code
        self.ended_with_host = False

    def go_on(self) -> bool:
        """What happens by itself; False if nothing does."""
        match self.state:
            case InstanceState.CREATING:
                self.run()
            case InstanceState.RUNNING:
                self.become(InstanceState.READY, self.generation, self.incarnation)
            case InstanceState.STOPPING:
                self.become(
                    InstanceState.EXITED, self.generation, self.incarnation, stop=True, exit_code=0
                )
            case _:
                return False
        return True


@dataclass
class World:
    """An allocation, the engine, and a reconciler that can be killed."""

    allocation: Allocation
    engine: ModelEngine
    now: datetime = NOW
    engine_answers: bool = True
    seen: Instance | None = None
    done: Act | None = None

    def step(self, *, killed_before_call: bool = False) -> Step:
        """One step of the reconciler."""
        observation = Observation(
            self.engine_answers,
            self.seen,
            self.done,
            0.0 if self.engine_answers else 60.0,
        )
        step = decide_by_any_clock(self.allocation, observation, self.now, RULES)
        self.done = None
        if step.after is not None:
            self.allocation = replace(
                step.after, version=self.allocation.version + 1, update_time=self.now
            )
        if killed_before_call:
            self.seen = None
        elif step.act is not None:
            self.engine.call(step.act, self.allocation)
            self.seen, self.done = self.engine.instance(self.now), step.act
        return step

    def settle(self) -> None:
        """Everything goes its way until nothing happens any more."""
        self.engine_answers = True
        self.seen = None
        for _ in range(300):
            step = self.step()
            if step.after is not None or step.act is not None:
                continue
            if self.engine.go_on():
                self.seen = self.engine.instance(self.now)
                continue
            if step.look_again is None:
                return
            self.now = max(self.now, step.look_again)
        raise AssertionError(f"no rest: {self.allocation} {self.engine}")


ACTIONS = st.sampled_from(
    [
        "start", "stop", "restart", "delete", "step", "step", "step", "killed", "go on", "go on",
        "exits", "vanishes", "engine away", "engine back", "sweep", "time", "probe fails", "by hand",
        "ends well", "falls silent", "falls silent", "is paused", "answers", "host restarts", "moment",
        "clock goes back", "clock goes on",
    ]
)  # fmt: skip
REFUSALS = st.lists(
    st.sampled_from(["PORT_TAKEN", "IMAGE_NOT_FOUND", "ENGINE_UNAVAILABLE", "GENERATION_STALE"]),
    max_size=8,
)


def act(world: World, action: str) -> None:
    """One thing happens."""
    engine = world.engine
    match action:
        case "start" | "stop" | "restart" | "delete":
            try:
                world.allocation = getattr(requests, action)(world.allocation, world.now)
            except (AllocationDeleted, AllocationNotRunning):
                return
        case "step":
            world.step()
        case "killed":
            world.step(killed_before_call=True)
        case "go on":
            if engine.go_on():
                world.seen = engine.instance(world.now)
        case "exits" if engine.state in RUNS:
            engine.become(InstanceState.EXITED, engine.generation, engine.incarnation, exit_code=1)
            world.seen = engine.instance(world.now)
        case "vanishes":
            engine.become(InstanceState.MISSING, engine.generation, 0)
        case "engine away":
            world.engine_answers = False
        case "engine back":
            world.engine_answers = True
        case "sweep" if world.engine_answers:
            world.seen = engine.instance(world.now)
        case "time":
            world.now += timedelta(minutes=3)
        case "probe fails" if engine.state is InstanceState.RUNNING:
            engine.become(
                InstanceState.FAILED,
                engine.generation,
                engine.incarnation,
                reason="PROBE_TIMED_OUT",
            )
            world.seen = engine.instance(world.now)
        case "by hand" if engine.state is InstanceState.EXITED:
            engine.run()
        case _:
            happen(world, action)


def happen(world: World, action: str) -> None:
    """One thing happens to the program, its host or the clock."""
    engine = world.engine
    match action:
        case "ends well" if engine.state in RUNS:
            engine.become(InstanceState.EXITED, engine.generation, engine.incarnation, exit_code=0)
            world.seen = engine.instance(world.now)
        case "falls silent" | "is paused" if engine.state is InstanceState.READY:
            reason = "INSTANCE_PAUSED" if action == "is paused" else "PROBE_UNANSWERED"
            engine.become(
                InstanceState.UNHEALTHY, engine.generation, engine.incarnation, reason=reason
            )
            world.seen = engine.instance(world.now)
        case "answers" if engine.state is InstanceState.UNHEALTHY:
            engine.become(InstanceState.READY, engine.generation, engine.incarnation)
            world.seen = engine.instance(world.now)
        case "host restarts" if engine.state in RUNS:
            engine.become(
                InstanceState.EXITED, engine.generation, engine.incarnation, exit_code=137
            )
            engine.ended_with_host = True
            world.seen = engine.instance(world.now)
        case "moment":
            world.now += timedelta(seconds=1)
        case "clock goes back":
            world.now -= timedelta(days=1)
        case "clock goes on":
            world.now += timedelta(days=1)


def a_world(
    refusals: list[str],
    policy: RestartPolicy = RestartPolicy.NEVER,
    *,
    restart_unhealthy: bool = False,
) -> World:
    """A new allocation on an engine that will refuse some attempts."""
    allocation = an_allocation(restart_policy=policy, restart_unhealthy=restart_unhealthy)
    return World(allocation, ModelEngine(allocation.name, refusals=tuple(refusals)))


@settings(max_examples=400, deadline=None)
@given(
    actions=st.lists(ACTIONS, max_size=40),
    refusals=REFUSALS,
    policy=st.sampled_from(RestartPolicy),
    restart_unhealthy=st.booleans(),
)
def test_it_comes_to_rest_where_its_owner_wants_it(
    actions: list[str], refusals: list[str], policy: RestartPolicy, restart_unhealthy: bool
) -> None:
    world = a_world(refusals, policy, restart_unhealthy=restart_unhealthy)
    for action in actions:
        act(world, action)
    world.settle()
    allocation, engine = world.allocation, world.engine
    match allocation.desired:
        case Desired.DELETED:
            assert allocation.state is State.DELETED
            assert engine.state is InstanceState.MISSING
        case Desired.STOPPED:
            assert allocation.state is State.STOPPED
            assert engine.state not in RUNS
        case Desired.RUNNING:
            assert allocation.state in (State.READY, State.FAILED, State.UNHEALTHY)
            if allocation.state is State.UNHEALTHY:
                assert engine.state is InstanceState.UNHEALTHY
                assert engine.reason == "INSTANCE_PAUSED" or not restart_unhealthy
            elif allocation.state is State.READY:
                assert engine.state is InstanceState.READY
                assert engine.generation == allocation.generation
                assert engine.incarnation > allocation.after_incarnation
            else:
                assert allocation.reason is not None
                assert engine.state is not InstanceState.READY
    assert not allocation.asked
    assert not allocation.is_moving
    assert allocation.restarts.planned is None


@settings(max_examples=200, deadline=None)
@given(
    actions=st.lists(ACTIONS, max_size=30),
    refusals=REFUSALS,
    policy=st.sampled_from(RestartPolicy),
)
def test_a_start_or_a_delete_always_gets_there_in_the_end(
    actions: list[str], refusals: list[str], policy: RestartPolicy
) -> None:
    world = a_world(refusals, policy)
    for action in actions:
        act(world, action)
    world.settle()
    world.engine.refusals = ()
    act(world, "answers")
    if world.allocation.desired is not Desired.DELETED:
        act(world, "start")
        world.settle()
        assert world.allocation.state is State.READY
        assert world.engine.state is InstanceState.READY
    act(world, "delete")
    world.settle()
    assert world.allocation.state is State.DELETED
    assert world.engine.state is InstanceState.MISSING


@settings(max_examples=100, deadline=None)
@given(kills=st.lists(st.booleans(), min_size=6, max_size=6))
def test_one_restart_is_one_start_of_the_program_whenever_it_is_killed(kills: list[bool]) -> None:
    world = a_world([])
    world.settle()
    before = world.engine.starts
    act(world, "restart")
    for killed in kills:
        world.step(killed_before_call=killed)
    world.settle()
    assert world.allocation.state is State.READY
    assert world.engine.starts == before + 1
