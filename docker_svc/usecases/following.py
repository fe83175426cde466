"""Following the runtime: what a former process left is taken over, and every change is looked at."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from chassis.clock import Clock
from docker_svc.domain import EngineUnavailable, Standing, State
from docker_svc.ports.container_runtime import ContainerRuntime, EngineAvailable, InstanceChanged
from docker_svc.ports.instance_records import InstanceRecords, Wanted
from docker_svc.usecases.known import Known
from docker_svc.usecases.life import Life
from docker_svc.usecases.tracked import Tracked
from docker_svc.usecases.watching import Watching

_ADOPTION_PAUSE = 1.0


class Following:
    """Does by itself what nobody asks for."""

    def __init__(
        self,
        *,
        known: Known,
        runtime: ContainerRuntime,
        records: InstanceRecords,
        life: Life,
        watching: Watching,
        clock: Clock,
    ) -> None:
        """Keeps its parts.

        Args:
            known: the instances.
            runtime: what runs them, and tells of changes.
            records: what a former process was asked for.
            life: what is done with one instance.
            watching: who is told.
            clock: the time.
        """
        self._known = known
        self._runtime = runtime
        self._records = records
        self._life = life
        self._watching = watching
        self._clock = clock

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
            for tracked in list(self._known.tracked.values()):
                await self._life.interrupt(tracked)
            await self._life.settle()

    async def _take_over(self) -> None:
        """Compares what is known with what is there; at first, goes on with what was not finished."""
        while True:
            at_rest = self._known.at_rest()
            try:
                standings = await self._runtime.list_all()
            except EngineUnavailable:
                self._watching.tell_available(available=False)
                await self._clock.sleep(_ADOPTION_PAUSE)
            else:
                break
        if self._known.adopted.is_set():
            # The engine was away: what waited for it goes on by itself.
            await self._known.compare(standings, at_rest)
            return
        for record in await self._records.unfinished():
            self._known.tracked.setdefault(record.key.allocation, Tracked(record))
        await self._known.compare(standings, at_rest)
        by_key = {standing.key: standing for standing in standings}
        for tracked in list(self._known.tracked.values()):
            async with self._known.locked(tracked.record.key.allocation) as current:
                if current is tracked and not tracked.is_busy:
                    await self._go_on(tracked, by_key.get(tracked.record.key))
        self._known.adopted.set()

    async def _go_on(self, tracked: Tracked, standing: Standing | None) -> None:
        record = tracked.record
        if record.wanted is Wanted.REMOVED:
            tracked.moving = State.STOPPING
            self._life.begin(tracked, self._known.removal(tracked))
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
        elif record.wanted is Wanted.STOPPED and not record.run and record.key.generation > 1:
            # It was given up before it was made: what it was to take the place of may run on.
            tracked.moving = State.STOPPING
            self._life.begin(tracked, self._life.give_up(tracked, None))
        else:
            tracked.moving = None
            self._life.tell(tracked)

    async def _changed(self, event: InstanceChanged) -> None:
        tracked = self._known.tracked.get(event.key.allocation)
        if tracked is None or tracked.record.key != event.key:
            return
        if tracked.moving is not None:
            # Whatever is being done looks for itself when it is done.
            tracked.missed = tracked.missed or event.change in ("ended", "killed", "removed")
            return
        tracked.stamp += 1
        if event.change == "killed" and event.end is not None:
            # It does not run any more, whatever the runtime takes its time to say.
            if (killed := tracked.killed(event.end)) is not None:
                await self._life.observe(tracked, killed)
        elif event.end is not None and (ended := tracked.ended(event.end)) is not None:
            await self._life.observe(tracked, ended)
            return
        try:
            await self._known.refreshed(tracked)
        except EngineUnavailable:
            return  # told by the next event
