"""The reconciler: drives what is so towards what is desired, for every allocation.

It works on an allocation when somebody kicks it (a request of its owner, an event of the engine, a
deadline, the sweep), on each by one worker at a time. Everything it needs is in the store and at the
engine, so a process that is killed at any point goes on after its next start.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

from allocation_svc.domain.allocation import Allocation
from allocation_svc.domain.clock_steps import decide_by_any_clock
from allocation_svc.domain.instance import Instance
from allocation_svc.domain.step import Act, Rules, Step
from allocation_svc.ports.allocation_store import AllocationStore
from allocation_svc.ports.engine import Engine
from allocation_svc.ports.step_observer import StepObserver
from allocation_svc.usecases.agenda import Agenda, Lane, until
from allocation_svc.usecases.boot import Turns
from allocation_svc.usecases.clock_watch import ClockWatch
from allocation_svc.usecases.engine_watch import EngineWatch
from allocation_svc.usecases.idleness import Idleness
from allocation_svc.usecases.steps import Steps
from allocation_svc.usecases.sweep import Sweep
from allocation_svc.usecases.terms_watch import TermsWatch
from chassis.clock import Clock
from chassis.faults import Fault

_MOST_STEPS = 30
_FIRST_DELAY = 0.25
_LONGEST_DELAY = 60.0
_SWEEP = "sweep"


class Reconciler:
    """Works on allocations until nothing is left to do. See the module."""

    def __init__(
        self,
        store: AllocationStore,
        engine: Engine,
        watch: EngineWatch,
        steps: Steps,
        *,
        clock: Clock,
        observer: StepObserver,
        rules: Rules,
        workers: int = 16,
        sweep_seconds: float = 15.0,
        orphan_grace_seconds: float = 60.0,
        boot_starts: int = 4,
        idleness: Idleness,
    ) -> None:
        """Prepares it; `run` does the work.

        Args:
            store: what is desired.
            engine: what is so.
            watch: whether the engine answers.
            steps: carries steps out.
            clock: the time.
            observer: is told what happens.
            rules: how long things may take.
            workers: how many allocations are worked on at a time, and as many removals besides.
            sweep_seconds: how often everything is compared.
            orphan_grace_seconds: how long an instance without an allocation is left alone.
            boot_starts: how many are started at a time after a restart of the host.
            idleness: finds out what is in use.
        """
        self._store = store
        self._engine = engine
        self._watch = watch
        self._steps = steps
        self._clock = clock
        self._observer = observer
        self._rules = rules
        self._workers = workers
        self._sweep_seconds = sweep_seconds
        self._agenda = Agenda(clock)
        self._failures: dict[str, int] = {}
        self._sweep_now = asyncio.Event()
        self._turns = Turns(boot_starts, self._agenda.kick)
        self._clock_watch = ClockWatch(clock)
        self._idleness = idleness
        self._terms = TermsWatch(idleness)
        self._sweep = Sweep(
            store,
            engine,
            watch,
            steps,
            clock=clock,
            observer=observer,
            turns=self._turns,
            kick=self._agenda.kick,
            noticed=self._terms.noticed,
            orphan_grace_seconds=orphan_grace_seconds,
        )

    def kick(self, name: str) -> None:
        """Has an allocation worked on at once: its owner has asked for something."""
        self._agenda.kick(name)

    def instance_changed(self, instance: Instance) -> None:
        """An event of the engine."""
        if self._steps.heard(instance):
            self._turns.heard(instance)
            self._agenda.kick(instance.allocation)

    def list_again(self) -> None:
        """An event of the engine: some may have been missed."""
        self._sweep_now.set()

    def engine_turned(self, *, answers: bool) -> None:
        """The engine has gone away, or come back."""
        del answers
        self._turns.hear_anew()
        self._sweep_now.set()

    async def run(self) -> None:
        """Works until it is cancelled."""
        self._terms.clear()
        self._turns.hear_anew()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._agenda.run())
            group.create_task(self._idleness.run(self._agenda.kick))
            for lane in Lane:
                for _ in range(self._workers):
                    group.create_task(self._worker(lane))
            group.create_task(self._sweeper())

    async def _worker(self, lane: Lane) -> None:
        while True:
            name, since = await self._agenda.take(lane)
            try:
                await self._work(name, lane, since)
                self._failures.pop(name, None)
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the worker
                self._observer.failed("step", error)
                self._agenda.later(name, self._delay(name))
            finally:
                self._agenda.done(name)

    async def _work(self, name: str, lane: Lane, since: float) -> None:
        """Takes steps until the allocation rests.

        Raises:
            Exception: something has failed; to be tried again.
        """
        allocation = await self._store.find(name)
        done: Act | None = None
        for _ in range(_MOST_STEPS):
            if allocation is None or not allocation.exists:
                await self._without_allocation(name)
                return
            step = self._decided(allocation, done)
            if step.act is Act.REMOVE and lane is not Lane.REMOVALS:
                self._agenda.kick(name, Lane.REMOVALS)
                return
            if step.after is not None:
                written = await self._steps.write(allocation, step)
                if written is None:
                    # Another change was faster: decide again from what is so now.
                    allocation, done = await self._store.find(name), None
                    continue
                allocation = written
            if step.act is None:
                if step.after is None or not allocation.exists:
                    self._rest(allocation, step)
                    return
                done = None
                continue
            await self._steps.call(allocation, step.act, since)
            done = step.act
        # So many steps in a row are no progress: let time pass.
        self._agenda.later(name, self._delay(name))

    def _decided(self, allocation: Allocation, done: Act | None) -> Step:
        """What to do next about an allocation."""
        name, now = allocation.name, self._clock.now()
        seen = self._steps.observation(name, done)
        if seen.instance is not None and seen.instance.ended_with_host:
            seen = replace(seen, turn=self._turns.has_turn(seen.instance))
        return decide_by_any_clock(allocation, seen, now, self._rules, self._clock_watch.steps)

    def _rest(self, allocation: Allocation, step: Step) -> None:
        if not allocation.is_moving:
            self._turns.leave(allocation.name)
        self._terms.noticed(allocation)
        if not allocation.exists:
            self._agenda.no_more(allocation.name)
            self._steps.forget(allocation.name)
        elif step.look_again is None:
            self._agenda.no_more(allocation.name)
        else:
            seconds = (step.look_again - self._clock.now()).total_seconds()
            self._agenda.later(allocation.name, seconds)

    def _delay(self, name: str) -> float:
        """How long to wait after another failure in a row of an allocation's work, or of the sweep.

        It grows with each, with some chance in it.
        """
        failures = self._failures.get(name, 0)
        self._failures[name] = failures + 1
        longest: float = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(failures, 16))
        return longest * random.uniform(0.7, 1.0)  # noqa: S311 - no secret

    # The sweep

    async def _sweeper(self) -> None:
        while True:
            self._sweep_now.clear()
            failed = False
            try:
                if self._watch.answers:
                    await self._sweep.compare()
                elif self._watch.away_seconds >= self._rules.away:
                    await self._sweep.mark_unknown()
            except Fault as fault:
                self._observer.failed("sweep", fault)
                failed = True
            for name in self._terms.due(self._clock.now()):
                self._agenda.kick(name)
            pause = self._until_next_sweep()
            if failed:
                # Whoever waits for its turn after a restart waits for this.
                pause = min(pause, self._delay(_SWEEP))
            else:
                self._failures.pop(_SWEEP, None)
            await until(self._clock, self._sweep_now, pause)

    def _until_next_sweep(self) -> float:
        left = self._rules.away - self._watch.away_seconds
        if self._watch.answers or left <= 0:
            return self._sweep_seconds
        return min(self._sweep_seconds, left + 0.01)

    async def _without_allocation(self, name: str) -> None:
        """There is no live allocation of a name: removes the instance that outlived it."""
        self._agenda.no_more(name)
        self._turns.leave(name)
        orphan = self._sweep.orphan(name)
        if orphan is not None:
            await self._engine.remove(name, max(orphan.generation, 1))
            self._sweep.removed(name)
        self._steps.forget(name)
