"""What is done with one instance: making, starting, stopping, removing it, seeing it end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from chassis.clock import Clock
from chassis.faults import Fault, Unavailable
from docker_svc.domain import Instance, InstanceSpec, LogCheck, Progress, Standing, State
from docker_svc.ports.container_runtime import ContainerRuntime
from docker_svc.ports.instance_records import InstanceRecords, Wanted
from docker_svc.ports.readiness import InstanceLogs
from docker_svc.usecases.probing import Probing
from docker_svc.usecases.rounds import Rounds
from docker_svc.usecases.tracked import Tracked
from docker_svc.usecases.watching import Watching

_FIRST_PAUSE = 0.5
_MOMENT = 0.05
_LONGEST_PAUSE = 5.0
_LOG_PATIENCE_SECONDS = 3.0
_WAITING = "waiting for the container engine"

Work = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where instances run, as others are told.

    Attributes:
        runtime: the name of the runtime.
        node: the name of this node.
    """

    runtime: str
    node: str


class Life:
    """Does one thing at a time with an instance, in a task of its own.

    What fails for want of the engine is tried again until it succeeds or something else is asked for;
    what fails for another reason makes the instance FAILED, with that reason.
    """

    def __init__(
        self,
        *,
        runtime: ContainerRuntime,
        records: InstanceRecords,
        logs: InstanceLogs,
        probing: Probing,
        watching: Watching,
        clock: Clock,
        place: Place,
        report: Callable[[str, BaseException], None],
        looks_at_once: int = 32,
    ) -> None:
        """Keeps its parts.

        Args:
            runtime: what runs instances.
            records: what was asked for.
            logs: where their logs go.
            probing: finds out when one is ready.
            watching: who is told.
            clock: the time.
            place: where instances run.
            report: told of what nobody expected, with the name of the allocation.
            looks_at_once: how many ready instances are looked at at a time.
        """
        self._runtime = runtime
        self._records = records
        self._logs = logs
        self._probing = probing
        self._watching = watching
        self._clock = clock
        self._place = place
        self._report = report
        self._aside: set[asyncio.Task[None]] = set()
        self.rounds = Rounds(probing, clock, self._turned, report, looks_at_once)
        self.session = ""

    # ------------------------------------------------------------------ work

    def begin(self, tracked: Tracked, work: Work) -> None:
        """Begins work on an instance; what was done with it before has been interrupted."""
        tracked.stamp += 1
        tracked.work = asyncio.create_task(
            self._to_success(tracked, work), name=f"docker_svc.life {tracked.record.key.allocation}"
        )

    async def interrupt(self, tracked: Tracked) -> None:
        """Ends what is being done with an instance, at a point where nothing is left half."""
        work = tracked.work
        if work is not None and not work.done():
            work.cancel()
            await asyncio.wait([work])
        tracked.work = None
        tracked.moving = None
        tracked.restarting = 0

    async def settle(self) -> None:
        """Waits for what was begun beside the work: writing records, telling the journal."""
        if self._aside:
            await asyncio.wait(self._aside)

    async def _to_success(self, tracked: Tracked, work: Work) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await work()
            except Unavailable:
                tracked.progress = _WAITING
                self.tell(tracked)
                await self._clock.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            except Fault as fault:
                await self._fail(tracked, fault.reason, fault.message)
                return
            except Exception as error:  # noqa: BLE001 - a bug must not leave a state that never ends
                self._report(tracked.record.key.allocation, error)
                await self._fail(
                    tracked, "INTERNAL_ERROR", "Something went wrong inside the allocator."
                )
                return
            else:
                return

    def beside(self, allocation: str, work: Coroutine[Any, Any, object]) -> asyncio.Task[None]:
        """Does something that the state of an instance does not depend on."""

        async def reported() -> None:
            try:
                await work
            except Fault as fault:
                self._report(allocation, fault)

        task = asyncio.create_task(reported())
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)
        return task

    # ------------------------------------------------------------------ each kind of work

    def make(self, tracked: Tracked) -> Work:
        """Makes and starts; an older instance of the allocation is ended and removed before."""

        async def work() -> None:
            key, spec = tracked.record.key, spec_of(tracked)
            if tracked.older is not None and spec.image:
                await self._fetch(tracked, spec.image)
            await self._clear(tracked, None)
            standing = await self._runtime.ensure(key, spec, lambda p: self._pulling(tracked, p))
            await self._running(tracked, standing)

        return work

    def give_up(self, tracked: Tracked, grace: float | None) -> Work:
        """Ends and removes what an instance, that shall not be made any more, was to take the place of."""

        async def work() -> None:
            await self._clear(tracked, grace)
            tracked.moving, tracked.progress = None, ""
            self.tell(tracked)

        return work

    async def _fetch(self, tracked: Tracked, image: str) -> None:
        """Has an image fetched while the older instance goes on, so that it is missed for a moment only."""
        try:
            async with aclosing(self._runtime.pull(image)) as steps:
                async for step in steps:
                    self._pulling(tracked, step)
        except Unavailable:
            raise
        except Fault:
            # It is not to be had, and making the instance says so.
            return
        tracked.moving, tracked.progress = State.CREATING, ""
        self.tell(tracked)

    async def _clear(self, tracked: Tracked, grace: float | None) -> None:
        """Ends and removes all lower generations."""
        key, older = tracked.record.key, tracked.older
        if older is not None:
            asked = spec_of(older).stop_grace if older.record.spec else 0.0
            await self._end(older, asked if grace is None else grace)
        if key.generation > 1:
            await self._runtime.remove(key.allocation, key.generation - 1)
        tracked.older = None

    def start(self, tracked: Tracked) -> Work:
        """Starts an ended program."""

        async def work() -> None:
            standing = await self._runtime.start(tracked.record.key, spec_of(tracked))
            await self._running(tracked, standing)

        return work

    def stop(self, tracked: Tracked, grace: float | None) -> Work:
        """Stops a running program."""

        async def work() -> None:
            seconds = spec_of(tracked).stop_grace if grace is None else grace
            await self._ended(tracked, await self._runtime.stop(tracked.record.key, seconds))

        return work

    def restart(self, tracked: Tracked) -> Work:
        """Stops a program and starts it again."""
        former = tracked.record.run

        async def work() -> None:
            key, spec = tracked.record.key, spec_of(tracked)
            standing = await self._runtime.get(key)
            if standing is not None and standing.running and standing.run == former:
                await self._runtime.stop(key, spec.stop_grace)
                await self._read_log(tracked, running=False)
            tracked.moving = State.CREATING
            self.tell(tracked)
            await self._running(tracked, await self._runtime.start(key, spec))

        return work

    def resume(self, tracked: Tracked, standing: Standing) -> Work:
        """Takes over an instance that a former process left, or that somebody else has started."""

        async def work() -> None:
            was_ready = tracked.record.ready and tracked.record.run == standing.run
            former = tracked.record
            is_known = standing.running and not standing.away
            if is_known and not was_ready and not tracked.record.reason:
                await self._running(tracked, standing)
                return
            self._count(tracked, standing)
            self.tell(tracked)
            if was_ready and standing.running:
                self.rounds.attend(tracked)
            if tracked.record != former:
                self.beside(tracked.record.key.allocation, self._records.put(tracked.record))
            await self._read_log(tracked, running=standing.running)

        return work

    async def remove(self, tracked: Tracked) -> None:
        """Removes an instance and all of lower generations, with its files.

        Raises:
            EngineUnavailable: the engine does not answer; it may be done in part.
        """
        key = tracked.record.key
        await self._end(tracked.older or tracked, 0.0)
        await self._runtime.remove(key.allocation, key.generation)
        tracked.older = None
        await self._logs.detach(key.allocation)
        tracked.record = replace(
            tracked.record, wanted=Wanted.GONE, spec=None, ready=False, reason="", message=""
        )
        tracked.standing = None
        tracked.moving = None
        await self._records.put(tracked.record)
        self.tell(tracked)

    # ------------------------------------------------------------------ what has become of it

    async def observe(self, tracked: Tracked, standing: Standing | None) -> None:
        """Takes what the runtime says of an instance with which nothing is done but probing."""
        before = tracked.standing
        if standing is None:
            if before is not None:
                _cancel(tracked)
                tracked.standing = None
                self.tell(tracked)
            return
        if tracked.record.run and standing.run != tracked.record.run and standing.running:
            # Somebody else has started it.
            _cancel(tracked)
            tracked.change(reason="", message="")
            self.begin(tracked, self.resume(tracked, standing))
            return
        noted = self._count(tracked, standing)
        allocation = tracked.record.key.allocation
        if standing.away:
            if before is None or not before.away:
                # Whatever is probed would not answer; it is told again once it is known.
                _cancel(tracked)
                self.tell(tracked)
            return
        if before is not None and before.away and standing.running:
            self.begin(tracked, self.resume(tracked, standing))
            return
        if before is not None and before.running and not standing.running:
            _cancel(tracked)
            tracked.change(ready=False)
            self._note(tracked)
            self.beside(allocation, self._read_log(tracked, running=False))
            return
        if noted or (before is not None and before.paused is not standing.paused):
            self.tell(tracked)
        if noted:
            self.beside(allocation, self._records.put(tracked.record))

    def _turned(self, tracked: Tracked, answers: bool) -> None:
        """An instance that is ready does not answer any more, or answers again."""
        tracked.change(unanswered=not answers)
        self._note(tracked)

    def _count(self, tracked: Tracked, standing: Standing) -> bool:
        """Takes what the runtime says; whether the record has changed by it."""
        counted = tracked.count(standing)
        return tracked.note_session(self.session, self._clock.now()) or counted

    def tell(self, tracked: Tracked) -> Instance:
        """Tells watchers of an instance as it is now."""
        instance = self.shown(tracked)
        self._watching.tell(instance)
        return instance

    def _note(self, tracked: Tracked) -> None:
        """Tells watchers of an instance as it is now, and has that kept."""
        self.tell(tracked)
        self.beside(tracked.record.key.allocation, self._records.put(tracked.record))

    def shown(self, tracked: Tracked) -> Instance:
        """An instance as others are told."""
        return tracked.shown(self._place.runtime, self._place.node, self._clock.now())

    def _pulling(self, tracked: Tracked, progress: Progress) -> None:
        tracked.moving = State.PULLING
        tracked.progress = progress.message
        self.tell(tracked)

    async def _running(self, tracked: Tracked, standing: Standing) -> None:
        """A program was started: counts it, has its log read, and waits until it is ready."""
        allocation, spec = tracked.record.key.allocation, spec_of(tracked)
        if tracked.missed:
            tracked.missed = False
            again = await self._runtime.get(tracked.record.key)
            if again is None:
                tracked.moving = None
                tracked.standing = None
                self.tell(tracked)
                return
            standing = again
        self._count(tracked, standing)
        # One that ended before anybody looked is not stopped on request.
        tracked.moving, tracked.progress, tracked.restarting = None, "", 0
        attached = self.beside(allocation, self._read_log(tracked, running=standing.running))
        if not standing.running:
            self._note(tracked)
            return
        # Mostly it answers at once: then that is all there is to be told.
        later = asyncio.get_running_loop().call_later(_MOMENT, self._note, tracked)
        try:
            if isinstance(spec.probe.check, LogCheck):
                await asyncio.wait([attached])
            is_ready = await self._probing.until_ready(
                spec.probe, standing, tracked.record.incarnation
            )
        finally:
            later.cancel()
        if is_ready:
            tracked.change(ready=True)
            self._note(tracked)
            self.rounds.attend(tracked)
            return
        tracked.change(
            reason="PROBE_TIMED_OUT",
            message=f"The probe did not answer within {spec.probe.timeout:g} s. Read the last lines "
            "of its log; it may listen on another port than the machine says.",
        )
        tracked.moving = State.STOPPING
        self.tell(tracked)
        await self._records.put(tracked.record)
        await self._ended(tracked, await self._runtime.stop(tracked.record.key, spec.stop_grace))

    async def _ended(self, tracked: Tracked, standing: Standing) -> None:
        self._count(tracked, standing)
        tracked.change(ready=False)
        tracked.moving, tracked.progress = None, ""
        await self._records.put(tracked.record)
        self.tell(tracked)
        self.beside(tracked.record.key.allocation, self._read_log(tracked, running=False))

    async def _end(self, tracked: Tracked, grace: float) -> None:
        """Ends a program that is to be removed, and has its last lines read: they go with it."""
        # The record may already name a higher generation, up to which all is to be removed.
        key = tracked.standing.key if tracked.standing is not None else tracked.record.key
        standing = await self._runtime.get(key)
        if standing is None:
            return
        if standing.running:
            standing = await self._runtime.stop(key, grace)
        self._count(tracked, standing)
        if standing.run:
            await self._read_log(tracked, running=False)
            if not await self._logs.drained(key.allocation, _LOG_PATIENCE_SECONDS):
                self._report(key.allocation, TimeoutError("its last lines were not read in time"))

    async def _read_log(self, tracked: Tracked, *, running: bool) -> None:
        standing, record = tracked.standing, tracked.record
        if standing is None or not standing.run:
            return
        source = self._runtime.log_source(replace(standing, running=running))
        await self._logs.attach(
            record.key.allocation, standing.key.generation, record.incarnation, source
        )

    async def _fail(self, tracked: Tracked, reason: str, message: str) -> None:
        tracked.moving, tracked.progress, tracked.restarting = None, "", 0
        tracked.change(reason=reason, message=message, ready=False)
        self._note(tracked)


def spec_of(tracked: Tracked) -> InstanceSpec:
    """The spec of an instance that was asked for."""
    spec = tracked.record.spec
    if spec is None:
        raise AssertionError(f"{tracked.record.key} has no spec")
    return spec


def _cancel(tracked: Tracked) -> None:
    """Ends probing; whoever begins something else waits for it."""
    if tracked.work is not None and tracked.work is not asyncio.current_task():
        tracked.work.cancel()
