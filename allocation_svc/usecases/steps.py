"""Carrying out the steps that `decide` names."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from allocation_svc.domain.allocation import Allocation, State, StateReason
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.faults import PortsExhausted
from allocation_svc.domain.instance import Instance, InstanceSpec, InstanceState
from allocation_svc.domain.machine import Plan
from allocation_svc.domain.step import Act, Observation, Step, Use
from allocation_svc.domain.usage import truth_about
from allocation_svc.ports.allocation_store import AllocationStore
from allocation_svc.ports.contents import Contents
from allocation_svc.ports.engine import Engine
from allocation_svc.ports.secret_box import SecretBox
from allocation_svc.ports.step_observer import StepObserver
from allocation_svc.ports.volume_store import VolumeStore
from allocation_svc.usecases.allowances import takes_more
from allocation_svc.usecases.engine_watch import EngineWatch
from allocation_svc.usecases.starting import Starting
from chassis.clock import Clock
from chassis.faults import Cancelled, DeadlineExceeded, Fault, Internal, NotFound, Unavailable

LAST_LINES = 50
"""How many lines of its log belong into the failure of an allocation."""

_LINES_SECONDS = 2.0
_STILL_SECONDS = 0.03
_MOST_LOOKS = 15
_CLOCK_WAS_SET = timedelta(minutes=1)
_PASSING = (Unavailable, DeadlineExceeded, Cancelled, Internal)


class Steps:
    """Writes changes down and makes calls; keeps what the engine last told of each allocation."""

    def __init__(
        self,
        store: AllocationStore,
        engine: Engine,
        watch: EngineWatch,
        *,
        secrets: SecretBox,
        clock: Clock,
        observer: StepObserver,
        starting: Starting,
        use: Callable[[str], Use | None] = lambda _: None,
        volumes: VolumeStore | None = None,
        contents: Contents | None = None,
    ) -> None:
        """Works on the store and the engine; what starts by itself takes room again.

        Volumes go with their allocations where both what they are and what is in them is given.
        """
        self._volumes = volumes
        self._contents = contents
        self._starting = starting
        self._use = use
        self._store = store
        self._engine = engine
        self._watch = watch
        self._secrets = secrets
        self._clock = clock
        self._observer = observer
        self._seen: dict[str, tuple[Instance, float]] = {}

    def heard(self, instance: Instance) -> bool:
        """Remembers what the engine told of an instance.

        Returns:
            False where something newer is known already.
        """
        known = self._seen.get(instance.allocation)
        if known is not None and _is_older(instance, known[0]):
            return False
        self._seen[instance.allocation] = (instance, self._clock.monotonic())
        return True

    def not_listed(self, allocation: str, list_began: float) -> Instance:
        """Remembers that an allocation has no instance, unless one was heard of since.

        Args:
            allocation: whose.
            list_began: on the monotonic clock, when the engine was asked for all instances.

        Returns:
            What is known now.
        """
        known = self._seen.get(allocation)
        if known is not None and known[1] >= list_began:
            return known[0]
        missing = Instance(allocation, 0, InstanceState.MISSING, observe_time=self._clock.now())
        self._seen[allocation] = (missing, list_began)
        return missing

    def forget(self, allocation: str) -> None:
        """An allocation is history."""
        self._seen.pop(allocation, None)

    def observation(self, allocation: str, done: Act | None) -> Observation:
        """What is known now.

        Args:
            allocation: of which.
            done: the call that was made right before.
        """
        known = self._seen.get(allocation)
        return Observation(
            engine_answers=self._watch.answers,
            instance=known[0] if known else None,
            done=done,
            away_seconds=self._watch.away_seconds,
            heard_time=self._watch.heard_time,
            use=self._use(allocation),
        )

    async def write(self, before: Allocation, step: Step) -> Allocation | None:
        """Writes the change of a step down.

        Returns:
            The allocation as it is kept now; None if another change was faster.
        """
        assert step.after is not None
        now = self._clock.now()
        after, fact = replace(step.after, update_time=now), step.fact
        if step.wants_lines and after.reason is not None:
            lines = await self._last_lines(after)
            after = replace(after, reason=replace(after.reason, last_lines=lines))
        known = self._seen.get(before.name)
        truth = truth_about(before, after, known[0] if known else None)
        try:
            if takes_more(after):
                written = await self._starting.by_itself(after, fact)
            else:
                written = await self._store.replace(
                    after, fact, next_ports=step.next_ports, truth=truth
                )
        except PortsExhausted as fault:
            reason = StateReason(fault.reason, fault.message)
            failed = replace(before.moved(State.FAILED, now, reason=reason), update_time=now)
            written = await self._store.replace(failed, Fact.FAILED)
        if written is not None and written.state is not before.state:
            self._observer.moved(before, written)
        return written

    async def call(self, allocation: Allocation, act: Act, since: float) -> None:
        """Makes a call, and remembers what the engine answered.

        Args:
            allocation: of which.
            act: which call.
            since: on the monotonic clock, when this work was asked for.

        Raises:
            Unavailable, DeadlineExceeded, Cancelled, Internal: the call is to be made again later.
        """
        began = self._clock.monotonic()
        outcome = "ok"
        try:
            answer = await self._called(allocation, act)
            # An event may have been faster than the answer, and say more.
            self.heard(answer)
        except _PASSING as fault:
            outcome = fault.reason
            raise
        except Fault as fault:
            outcome = fault.reason
            answer = await self._refused(allocation, act, fault)
            self._seen[allocation.name] = (answer, self._clock.monotonic())
        finally:
            self._observer.called(
                allocation.name, allocation.generation, act.value, began - since, outcome
            )

    async def _called(self, allocation: Allocation, act: Act) -> Instance:
        name, generation = allocation.name, allocation.generation
        match act:
            case Act.LOOK:
                return await self._engine.look(name)
            case Act.ENSURE:
                return await self._engine.ensure(name, generation, await self._spec(allocation))
            case Act.START:
                return await self._engine.start(
                    name, generation, (await self._plan(name))[0].limits
                )
            case Act.STOP:
                return await self._engine.stop(name, generation)
            case Act.RESTART:
                limits = (await self._plan(name))[0].limits
                return await self._engine.restart(
                    name, generation, allocation.after_incarnation, limits
                )
            case Act.REMOVE:
                await self._engine.remove(name, generation)
                await self._remove_volumes(allocation)
                return self._instance(allocation, InstanceState.MISSING)

    async def _remove_volumes(self, allocation: Allocation) -> None:
        """Removes what goes with an allocation, before it is written down that it is gone."""
        if allocation.keep_volumes or self._volumes is None or self._contents is None:
            return
        for volume in await self._volumes.of_allocation(allocation.name):
            await self._contents.remove(volume.identity)

    async def _refused(self, allocation: Allocation, act: Act, fault: Fault) -> Instance:
        """What a refusal says about the instance."""
        if isinstance(fault, NotFound) and fault.reason == "INSTANCE_NOT_FOUND":
            return self._instance(allocation, InstanceState.MISSING)
        if act in (Act.LOOK, Act.STOP, Act.REMOVE) or (
            act is not Act.ENSURE and fault.reason == "GENERATION_STALE"
        ):
            return await self._after_refusal(allocation, act, fault)
        known = self._seen.get(allocation.name)
        return replace(
            self._instance(allocation, InstanceState.FAILED),
            incarnation=known[0].incarnation if known and act is not Act.ENSURE else 0,
            reason=fault.reason,
            message=fault.message,
        )

    async def _after_refusal(self, allocation: Allocation, act: Act, fault: Fault) -> Instance:
        if act is Act.LOOK:
            raise Unavailable(fault.message, reason=fault.reason) from fault
        seen = await self._engine.look(allocation.name)
        if fault.reason == "GENERATION_STALE" and seen.generation <= allocation.generation:
            # The engine remembers a generation that the store has lost: go above it.
            after = replace(allocation, generation=allocation.generation + 1)
            await self._store.replace(after)
        if act is Act.REMOVE or seen.generation <= allocation.generation:
            raise Unavailable(fault.message, reason=fault.reason) from fault
        return seen

    async def _plan(self, name: str) -> tuple[Plan, bytes]:
        kept = await self._store.plan(name)
        if kept is None:
            raise Internal(f"The plan of {name} is lost.")
        return kept

    async def _spec(self, allocation: Allocation) -> InstanceSpec:
        plan, sealed = await self._plan(allocation.name)
        secrets: dict[str, str] = (
            json.loads(self._secrets.open(sealed, allocation.name)) if sealed else {}
        )
        return plan.spec(
            await self._watch.node(),
            allocation.endpoints,
            allocation.variables,
            tuple(secrets.items()),
        )

    async def _last_lines(self, failed: Allocation) -> tuple[str, ...]:
        """What its instance wrote last, once that stands still: it is read later than an end is told."""
        lines: tuple[str, ...] = ()
        try:
            async with asyncio.timeout(_LINES_SECONDS):
                for _ in range(_MOST_LOOKS):
                    before = lines
                    lines = await self._engine.last_lines(
                        failed.name, failed.generation, LAST_LINES
                    )
                    if lines and lines == before:
                        break
                    await self._clock.sleep(_STILL_SECONDS)
        except (Fault, TimeoutError) as error:
            # The failure itself must be told, with or without its lines.
            self._observer.failed("step", error)
        return lines

    def _instance(self, allocation: Allocation, state: InstanceState) -> Instance:
        now: datetime = self._clock.now()
        return Instance(allocation.name, allocation.generation, state, observe_time=now)


def _is_older(instance: Instance, known: Instance) -> bool:
    if instance.observe_time is None or known.observe_time is None:
        return False
    # Much older is no older one: the engine's clock has been set.
    return timedelta(0) < known.observe_time - instance.observe_time < _CLOCK_WAS_SET
