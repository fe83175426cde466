"""Instances: what is asked for, begun at once, finished in the background, found after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from weakref import WeakValueDictionary

from chassis.clock import Clock
from chassis.faults import Unavailable
from docker_svc.domain import (
    EngineUnavailable,
    Instance,
    InstanceKey,
    InstanceSpec,
    Limits,
    LogCheck,
    Standing,
    State,
    Usage,
)
from docker_svc.ports.container_runtime import ContainerRuntime, EngineAvailable, InstanceChanged
from docker_svc.ports.instance_records import InstanceRecord, InstanceRecords, Wanted
from docker_svc.usecases.life import Life, Work, spec_of
from docker_svc.usecases.refusals import check_readable, not_found, stale
from docker_svc.usecases.tracked import Tracked
from docker_svc.usecases.watching import Told, Watching

_AWAY = "The container engine does not answer. Nothing is lost; try again when it is back."
_ADOPTION_PAUSE = 1.0


class Instances:
    """Runs instances for allocation_svc.

    A request is written down before it is begun, and answered then; what becomes of it is told to
    watchers. One thing at a time is done for each allocation: a newer request ends an older one that
    is still being fulfilled. After a crash, `run` finds what was written down and finishes it.
    """

    def __init__(
        self,
        *,
        runtime: ContainerRuntime,
        records: InstanceRecords,
        life: Life,
        watching: Watching,
        clock: Clock,
    ) -> None:
        """Keeps its parts.

        Args:
            runtime: what runs instances.
            records: what was asked for.
            life: what is done with one instance.
            watching: who is told.
            clock: the time.
        """
        self._runtime = runtime
        self._records = records
        self._life = life
        self._watching = watching
        self._clock = clock
        self._tracked: dict[str, Tracked] = {}
        self._orphans: dict[str, Standing] = {}
        # Gone by themselves when nobody holds or awaits them.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._adopted = asyncio.Event()

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
        async with self._locked(key.allocation) as tracked:
            record = await self._fenced(tracked, key)
            if record is not None and record.key == key:
                if record.wanted in (Wanted.REMOVED, Wanted.GONE):
                    raise stale(key)
                if tracked is not None and (tracked.is_busy or tracked.standing is not None):
                    return self._life.shown(tracked)
            await self._available()
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
            await self._keep(fresh)
            self._tracked[key.allocation] = fresh
            self._life.begin(fresh, self._life.make(fresh, tracked if older else None))
            return self._life.tell(fresh)

    async def start(self, key: InstanceKey, limits: Limits | None = None) -> Instance:
        """Starts an instance that has ended; a running one is left alone.

        Args:
            key: which.
            limits: what it may use from now on; None for as much as before.

        Raises:
            GenerationStale, InstanceNotFound, PortTaken, EngineUnavailable: nothing was begun.
        """
        async with self._found(key) as tracked:
            if tracked.moving in (State.PULLING, State.CREATING):
                return self._life.shown(tracked)
            await self._available()
            await self._life.interrupt(tracked)
            standing = await self._refreshed(tracked)
            if standing is None:
                raise not_found(key)
            if standing.running and not standing.away:
                return self._life.shown(tracked)
            tracked.limit(limits)
            await self._runtime.check(spec_of(tracked))
            tracked.change(wanted=Wanted.RUNNING, stop_requested=False, reason="", message="")
            tracked.moving = State.CREATING
            await self._keep(tracked)
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
        async with self._found(key) as tracked:
            if tracked.moving is State.STOPPING and not tracked.restarting:
                return self._life.shown(tracked)
            await self._available()
            was_making = tracked.moving in (State.PULLING, State.CREATING)
            await self._life.interrupt(tracked)
            standing = await self._refreshed(tracked)
            if standing is not None and standing.away and tracked.record.wanted is Wanted.STOPPED:
                return self._life.shown(tracked)  # it was asked, and ends when its node is back
            if standing is None and not was_making:
                raise not_found(key)
            tracked.change(wanted=Wanted.STOPPED)
            if standing is None or not standing.running:
                await self._keep(tracked)
                return self._life.tell(tracked)
            tracked.change(stop_requested=True)
            tracked.moving = State.STOPPING
            await self._keep(tracked)
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
        async with self._found(key) as tracked:
            if tracked.record.incarnation != incarnation or tracked.restarting == incarnation:
                return self._life.shown(tracked)
            await self._available()
            await self._life.interrupt(tracked)
            standing = await self._refreshed(tracked)
            if standing is None:
                raise not_found(key)
            if tracked.record.incarnation != incarnation:
                return self._life.shown(tracked)
            tracked.limit(limits)
            tracked.change(wanted=Wanted.RUNNING, stop_requested=False, reason="", message="")
            tracked.moving = State.STOPPING
            tracked.restarting = incarnation
            await self._keep(tracked)
            self._life.begin(tracked, self._life.restart(tracked))
            return self._life.tell(tracked)

    async def remove(self, key: InstanceKey) -> None:
        """Removes every instance of an allocation up to a generation, and refuses them from now on.

        Raises:
            GenerationStale: a newer one is known.
            EngineUnavailable: it is written down, and done when the engine is back.
        """
        async with self._locked(key.allocation) as tracked:
            record = await self._fenced(tracked, key)
            if record is not None and record.wanted is Wanted.GONE and record.key == key:
                # What came to be beside us since then is looked for all the same.
                await self._runtime.remove(key.allocation, key.generation)
                return
            going = tracked or Tracked(InstanceRecord(key, None, Wanted.REMOVED))
            self._tracked[key.allocation] = going
            await self._life.interrupt(going)
            going.record = replace(going.record, key=key, wanted=Wanted.REMOVED)
            going.moving = State.STOPPING
            await self._keep(going)
            self._life.tell(going)
            try:
                await self._life.remove(going)
            except Unavailable:
                self._life.begin(going, self._remove_later(going))
                raise
            self._tracked.pop(key.allocation, None)

    # ------------------------------------------------------------------ what is so

    async def get(self, allocation: str) -> Instance:
        """Asks the runtime for the instance of an allocation; MISSING where there is none.

        Raises:
            EngineUnavailable: the engine does not answer.
        """
        await self._available()
        tracked = self._tracked.get(allocation)
        if tracked is not None:
            if tracked.moving is None:
                await self._refreshed(tracked)
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
        await self._available()
        await self._adopted.wait()
        at_rest = self._at_rest()
        await self._compare(await self._runtime.list_all(), at_rest)
        found = {allocation: self._life.shown(t) for allocation, t in self._tracked.items()}
        for allocation, standing in self._orphans.items():
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
        tracked = self._tracked.get(allocation)
        if tracked is None or tracked.standing is None or not tracked.standing.running:
            return None
        return None if tracked.record.spec is None else (tracked.standing, tracked.record.spec)

    # ------------------------------------------------------------------ by itself

    async def run(self) -> None:
        """Follows the runtime, and takes over what a former process left; until it is cancelled."""
        rounds = asyncio.create_task(self._life.rounds.run(), name="docker_svc.rounds")
        try:
            async with aclosing(self._runtime.events()) as events:
                async for event in events:
                    match event:
                        case EngineAvailable(available):
                            if available:
                                self._life.session = event.session
                                await self._take_over()
                            self._watching.tell_available(available=available)
                        case InstanceChanged():
                            await self._changed(event)
        finally:
            rounds.cancel()
            await asyncio.wait([rounds])
            for tracked in list(self._tracked.values()):
                await self._life.interrupt(tracked)
            await self._life.settle()

    async def _take_over(self) -> None:
        """Compares what is known with what is there; at first, goes on with what was not finished."""
        while True:
            at_rest = self._at_rest()
            try:
                standings = await self._runtime.list_all()
            except EngineUnavailable:
                self._watching.tell_available(available=False)
                await self._clock.sleep(_ADOPTION_PAUSE)
            else:
                break
        if self._adopted.is_set():
            # The engine was away: what waited for it goes on by itself.
            await self._compare(standings, at_rest)
            return
        for record in await self._records.unfinished():
            self._tracked.setdefault(record.key.allocation, Tracked(record))
        await self._compare(standings, at_rest)
        by_key = {standing.key: standing for standing in standings}
        for tracked in list(self._tracked.values()):
            async with self._locked(tracked.record.key.allocation) as current:
                if current is tracked and not tracked.is_busy:
                    await self._go_on(tracked, by_key.get(tracked.record.key))
        self._adopted.set()

    async def _go_on(self, tracked: Tracked, standing: Standing | None) -> None:
        record = tracked.record
        if record.wanted is Wanted.REMOVED:
            tracked.moving = State.STOPPING
            self._life.begin(tracked, self._remove_later(tracked))
        elif record.wanted is Wanted.RUNNING and not record.reason and not record.run:
            # Begun and never finished.
            tracked.moving = State.CREATING
            self._life.begin(tracked, self._life.make(tracked))
        elif standing is not None and standing.running and record.wanted is Wanted.STOPPED:
            tracked.change(stop_requested=True)
            tracked.moving = State.STOPPING
            self._life.begin(tracked, self._life.stop(tracked, None))
        elif standing is not None:
            tracked.moving = None
            self._life.begin(tracked, self._life.resume(tracked, standing))
        else:
            tracked.moving = None
            self._life.tell(tracked)

    def _remove_later(self, tracked: Tracked) -> Work:
        async def work() -> None:
            await self._life.remove(tracked)
            if self._tracked.get(tracked.record.key.allocation) is tracked:
                del self._tracked[tracked.record.key.allocation]

        return work

    async def _changed(self, event: InstanceChanged) -> None:
        tracked = self._tracked.get(event.key.allocation)
        if tracked is None or tracked.record.key != event.key:
            return
        if tracked.moving is not None:
            # Whatever is being done looks for itself when it is done.
            tracked.missed = tracked.missed or event.change in ("ended", "removed")
            return
        if event.end is not None and (ended := tracked.ended(event.end)) is not None:
            await self._life.observe(tracked, ended)
            return
        try:
            await self._refreshed(tracked)
        except EngineUnavailable:
            return  # told by the next event

    def _at_rest(self) -> dict[str, int]:
        """With which instances nothing is being done, before the runtime is asked of all."""
        return {
            allocation: resting
            for allocation, tracked in self._tracked.items()
            if (resting := tracked.at_rest) is not None
        }

    async def _compare(self, standings: list[Standing], at_rest: dict[str, int]) -> None:
        """Takes what the runtime said of everything; lower generations and strangers stay apart.

        Args:
            standings: what it said.
            at_rest: from before it was asked. With whatever something was done since, the answer
                may be older than what is known.
        """
        by_key = {standing.key: standing for standing in standings}
        for allocation, tracked in list(self._tracked.items()):
            if tracked.at_rest is not None and tracked.at_rest == at_rest.get(allocation):
                await self._life.observe(tracked, by_key.get(tracked.record.key))
        self._orphans = {}
        for standing in sorted(standings, key=lambda s: s.key.generation):
            if standing.key.allocation not in self._tracked:
                self._orphans[standing.key.allocation] = standing

    async def _refreshed(self, tracked: Tracked) -> Standing | None:
        resting = tracked.at_rest
        standing = await self._runtime.get(tracked.record.key)
        if resting is not None and resting == tracked.at_rest:
            await self._life.observe(tracked, standing)
        return standing

    # ------------------------------------------------------------------ parts

    @asynccontextmanager
    async def _locked(self, allocation: str) -> AsyncIterator[Tracked | None]:
        lock = self._locks.get(allocation)
        if lock is None:
            lock = self._locks[allocation] = asyncio.Lock()
        async with lock:
            yield self._tracked.get(allocation)

    @asynccontextmanager
    async def _found(self, key: InstanceKey) -> AsyncIterator[Tracked]:
        if not self._adopted.is_set():  # what a former process left is not known yet
            await self._available()
        async with self._locked(key.allocation) as tracked:
            record = await self._fenced(tracked, key)
            if record is None or record.key != key or tracked is None:
                raise not_found(key)
            if record.wanted in (Wanted.REMOVED, Wanted.GONE):
                raise stale(key)
            yield tracked

    async def _fenced(self, tracked: Tracked | None, key: InstanceKey) -> InstanceRecord | None:
        record = tracked.record if tracked else await self._records.get(key.allocation)
        if record is not None and record.key.generation > key.generation:
            raise stale(key)
        return record

    async def _available(self) -> None:
        if not await self._watching.answers():
            raise EngineUnavailable(_AWAY, retry_after=1.0)

    async def _keep(self, tracked: Tracked) -> None:
        if not await self._records.put(tracked.record):
            raise stale(tracked.record.key)

    def _orphan(self, standing: Standing) -> Instance:
        tracked = Tracked(InstanceRecord(standing.key, None, Wanted.RUNNING))
        tracked.count(standing)
        return self._life.shown(tracked)
