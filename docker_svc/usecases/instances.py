"""Instances: what is asked for, begun at once, finished in the background, found after a crash."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from chassis.faults import Unavailable
from docker_svc.domain import (
    Instance,
    InstanceKey,
    InstanceSpec,
    Limits,
    LogCheck,
    Standing,
    State,
    Usage,
)
from docker_svc.ports.container_runtime import ContainerRuntime
from docker_svc.ports.instance_records import InstanceRecord, InstanceRecords, Wanted
from docker_svc.usecases.known import Known
from docker_svc.usecases.life import Life, spec_of
from docker_svc.usecases.refusals import check_readable, not_found, stale
from docker_svc.usecases.tracked import Tracked
from docker_svc.usecases.watching import Told, Watching


class Instances:
    """Runs instances for allocation_svc.

    A request is written down before it is begun, and answered then; what becomes of it is told to
    watchers. One thing at a time is done for each allocation: a newer request ends an older one that
    is still being fulfilled. After a crash, `Following` finds what was written down and finishes it.
    """

    def __init__(
        self,
        *,
        known: Known,
        runtime: ContainerRuntime,
        records: InstanceRecords,
        life: Life,
        watching: Watching,
    ) -> None:
        """Keeps its parts.

        Args:
            known: the instances.
            runtime: what runs them.
            records: what was asked for.
            life: what is done with one instance.
            watching: who is told.
        """
        self._known = known
        self._runtime = runtime
        self._records = records
        self._life = life
        self._watching = watching

    @property
    def trouble(self) -> str | None:
        """What is wrong, in a sentence; None while all is well."""
        return None if self._watching.available else "The container engine does not answer."

    # ------------------------------------------------------------------ what is asked for

    async def ensure(self, key: InstanceKey, spec: InstanceSpec) -> Instance:
        """Makes an instance and starts it, unless it is there.

        Raises:
            GenerationStale: a newer one is known, or this one was removed.
            NotRunnable, PortTaken, EngineUnavailable, PatternInvalid: nothing was begun.
        """
        if isinstance(spec.probe.check, LogCheck):
            check_readable(spec.probe.check.pattern)
        async with self._known.locked(key.allocation) as tracked:
            record = await self._known.fenced(tracked, key)
            if record is not None and record.key == key:
                if record.wanted in (Wanted.REMOVED, Wanted.GONE):
                    raise stale(key)
                if tracked is not None and (tracked.is_busy or tracked.standing is not None):
                    return self._life.shown(tracked)
            await self._known.available()
            older = tracked is not None and tracked.record.key.generation < key.generation
            if not older:
                # An older instance may hold the very port; it goes first.
                await self._runtime.check(spec)
            if tracked is not None:
                await self._life.interrupt(tracked)
            again = record is not None and record.key == key
            incarnation = record.incarnation if record is not None and again else 0
            fresh = Tracked(InstanceRecord(key, spec, Wanted.RUNNING, incarnation=incarnation))
            fresh.moving = State.CREATING
            if tracked is not None:
                fresh.older = tracked if tracked.older is None and older else tracked.older
            await self._known.keep(fresh)
            self._known.tracked[key.allocation] = fresh
            self._life.begin(fresh, self._life.make(fresh))
            return self._life.tell(fresh)

    async def start(self, key: InstanceKey, limits: Limits | None = None) -> Instance:
        """Starts an instance that has ended; a running one is left alone.

        Args:
            key: which.
            limits: what it may use from now on; None for as much as before.

        Raises:
            GenerationStale, InstanceNotFound, PortTaken, EngineUnavailable: nothing was begun.
        """
        async with self._known.found(key) as tracked:
            if tracked.moving in (State.PULLING, State.CREATING):
                return self._life.shown(tracked)
            await self._known.available()
            await self._life.interrupt(tracked)
            standing = await self._known.refreshed(tracked)
            if standing is None:
                raise not_found(key)
            if standing.running and not standing.away:
                return self._life.shown(tracked)
            tracked.limit(limits)
            await self._runtime.check(spec_of(tracked))
            tracked.change(wanted=Wanted.RUNNING, stop_requested=False, reason="", message="")
            tracked.moving = State.CREATING
            await self._known.keep(tracked)
            self._life.begin(tracked, self._life.start(tracked))
            return self._life.tell(tracked)

    async def stop(self, key: InstanceKey, grace: float | None = None) -> Instance:
        """Stops an instance: asks, waits for the grace, kills.

        Args:
            key: which.
            grace: seconds; as its spec says by default.

        Raises:
            GenerationStale, InstanceNotFound, EngineUnavailable: nothing was begun.
        """
        async with self._known.found(key) as tracked:
            if tracked.moving is State.STOPPING and not tracked.restarting:
                return self._life.shown(tracked)
            await self._known.available()
            was_making = tracked.moving in (State.PULLING, State.CREATING)
            await self._life.interrupt(tracked)
            standing = await self._known.refreshed(tracked)
            if standing is not None and standing.away and tracked.record.wanted is Wanted.STOPPED:
                return self._life.shown(tracked)  # it was asked, and ends when its node is back
            if standing is None and not was_making:
                raise not_found(key)
            tracked.change(wanted=Wanted.STOPPED)
            if standing is None and key.generation > 1:
                # What it was to take the place of may run on.
                tracked.moving = State.STOPPING
                await self._known.keep(tracked)
                self._life.begin(tracked, self._life.give_up(tracked, grace))
                return self._life.tell(tracked)
            if standing is None or not standing.running:
                await self._known.keep(tracked)
                return self._life.tell(tracked)
            tracked.change(stop_requested=True)
            tracked.moving = State.STOPPING
            await self._known.keep(tracked)
            self._life.begin(tracked, self._life.stop(tracked, grace))
            return self._life.tell(tracked)

    async def restart(
        self, key: InstanceKey, incarnation: int, limits: Limits | None = None
    ) -> Instance:
        """Stops and starts an instance, if its incarnation is still the named one.

        Args:
            key: which.
            incarnation: the one that shall end.
            limits: what it may use from then on; None for as much as before.

        Raises:
            GenerationStale, InstanceNotFound, EngineUnavailable: nothing was begun.
        """
        async with self._known.found(key) as tracked:
            if tracked.record.incarnation != incarnation or tracked.restarting == incarnation:
                return self._life.shown(tracked)
            await self._known.available()
            await self._life.interrupt(tracked)
            standing = await self._known.refreshed(tracked)
            if standing is None:
                raise not_found(key)
            if tracked.record.incarnation != incarnation:
                return self._life.shown(tracked)
            tracked.limit(limits)
            tracked.change(wanted=Wanted.RUNNING, stop_requested=False, reason="", message="")
            tracked.moving = State.STOPPING
            tracked.restarting = incarnation
            await self._known.keep(tracked)
            self._life.begin(tracked, self._life.restart(tracked))
            return self._life.tell(tracked)

    async def remove(self, key: InstanceKey) -> None:
        """Removes every instance of an allocation up to a generation, and refuses them from now on.

        Raises:
            GenerationStale: a newer one is known.
            EngineUnavailable: it is written down, and done when the engine is back.
        """
        async with self._known.locked(key.allocation) as tracked:
            record = await self._known.fenced(tracked, key)
            if record is not None and record.wanted is Wanted.GONE and record.key == key:
                # What came to be beside us since then is looked for all the same.
                await self._runtime.remove(key.allocation, key.generation)
                return
            going = tracked or Tracked(InstanceRecord(key, None, Wanted.REMOVED))
            self._known.tracked[key.allocation] = going
            await self._life.interrupt(going)
            going.record = replace(going.record, key=key, wanted=Wanted.REMOVED)
            going.moving = State.STOPPING
            await self._known.keep(going)
            self._life.tell(going)
            try:
                await self._life.remove(going)
            except Unavailable:
                self._life.begin(going, self._known.removal(going))
                raise
            self._known.tracked.pop(key.allocation, None)

    # ------------------------------------------------------------------ what is so

    async def get(self, allocation: str) -> Instance:
        """Asks the runtime for the instance of an allocation; MISSING where there is none.

        Raises:
            EngineUnavailable: the engine does not answer.
        """
        await self._known.available()
        tracked = self._known.tracked.get(allocation)
        if tracked is not None:
            if tracked.moving is None:
                await self._known.refreshed(tracked)
            return self._life.shown(tracked)
        record = await self._records.get(allocation)
        strangers = [s for s in await self._runtime.list_all() if s.key.allocation == allocation]
        if any(s.key.generation for s in strangers):
            return self._orphan(max(strangers, key=lambda s: s.key.generation))
        key = record.key if record is not None else InstanceKey(allocation, 0)
        return self._life.shown(Tracked(record or InstanceRecord(key, None, Wanted.GONE)))

    async def list_all(self) -> list[Instance]:
        """Asks the runtime for every instance that is ours; also those that nobody asked for.

        Raises:
            EngineUnavailable: the engine does not answer.
        """
        await self._known.available()
        await self._known.adopted.wait()
        at_rest = self._known.at_rest()
        await self._known.compare(await self._runtime.list_all(), at_rest)
        found = {allocation: self._life.shown(t) for allocation, t in self._known.tracked.items()}
        for allocation, standing in self._known.orphans.items():
            found.setdefault(allocation, self._orphan(standing))
        return list(found.values())

    def watch(self) -> AsyncGenerator[Told, None]:
        """Each change, from now on."""
        return self._watching.watch()

    async def stats(self, allocation: str) -> AsyncGenerator[Usage, None]:
        """What an instance uses, while it runs.

        Raises:
            EngineUnavailable: the engine does not answer.
        """
        running = self.running(allocation)
        if running is not None:
            async with aclosing(self._runtime.stats(running[0].key)) as usages:
                async for usage in usages:
                    yield usage

    def running(self, allocation: str) -> tuple[Standing, InstanceSpec] | None:
        """What the runtime last said of an instance, and its spec; None where it does not run."""
        tracked = self._known.tracked.get(allocation)
        if tracked is None or tracked.standing is None or not tracked.standing.running:
            return None
        return None if tracked.record.spec is None else (tracked.standing, tracked.record.spec)

    def _orphan(self, standing: Standing) -> Instance:
        tracked = Tracked(InstanceRecord(standing.key, None, Wanted.RUNNING))
        tracked.count(standing)
        return self._life.shown(tracked)
