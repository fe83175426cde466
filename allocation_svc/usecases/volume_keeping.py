"""Looking after volumes: measured, stopped where they are full, removed where nobody wants them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from allocation_svc.domain import requests
from allocation_svc.domain.allocation import Allocation, Desired, State, StateReason
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.volume import Volume, VolumeFact, VolumeState, full_message
from allocation_svc.ports.allocation_store import AllocationStore
from allocation_svc.ports.contents import Contents, Held
from allocation_svc.ports.step_observer import StepObserver
from allocation_svc.ports.volume_store import Measure, VolumeStore
from allocation_svc.usecases.agenda import until
from allocation_svc.usecases.engine_watch import EngineWatch
from allocation_svc.usecases.transfers import stale_seconds
from chassis.clock import Clock
from chassis.faults import Fault

_PAGE = 500
_MOST_RACES = 20
_MEASURE_AGE = timedelta(minutes=10)


class VolumeKeeping:
    """Compares what is kept of volumes with what the engine has, again and again, on one replica."""

    def __init__(
        self,
        store: VolumeStore,
        allocations: AllocationStore,
        contents: Contents,
        watch: EngineWatch,
        *,
        clock: Clock,
        observer: StepObserver,
        kick: Callable[[Allocation], None],
        sweep_seconds: float,
        stall_seconds: float,
        orphan_grace_seconds: float,
    ) -> None:
        """Prepares it; `run` does the work.

        Args:
            store: what volumes are.
            allocations: that have them.
            contents: what the engine has.
            watch: whether the engine answers.
            clock: the time.
            observer: is told what fails.
            kick: has an allocation worked on at once.
            sweep_seconds: how often.
            stall_seconds: how long an upload may stand still: one that nobody has heard of for longer
                has lost its process.
            orphan_grace_seconds: how long a volume that nobody knows is left alone.
        """
        self._store = store
        self._allocations = allocations
        self._contents = contents
        self._watch = watch
        self._clock = clock
        self._observer = observer
        self._kick = kick
        self._sweep_seconds = sweep_seconds
        self._stale = timedelta(seconds=stale_seconds(stall_seconds))
        self._orphan_grace = orphan_grace_seconds
        self._unknown: dict[str, float] = {}
        self._now = asyncio.Event()

    def wake(self) -> None:
        """Has everything looked at now."""
        self._now.set()

    async def run(self) -> None:
        """Looks after them until it is cancelled."""
        while True:
            self._now.clear()
            try:
                if self._watch.answers:
                    await self.sweep()
            except Fault as fault:
                self._observer.failed("volumes", fault)
            await until(self._clock, self._now, self._sweep_seconds)

    async def sweep(self) -> None:
        """Looks at every volume once.

        Raises:
            Unavailable: the engine, or the store.
        """
        began = self._clock.now()
        held = {one.identity: one for one in await self._contents.volumes()}
        unknown, after = set(held), ""
        while page := await self._store.every(_PAGE, after):
            unknown.difference_update(volume.identity for volume in page)
            await self._store.measured(_measures(page, held))
            for volume in page:
                await self._look_after(volume, held.get(volume.identity), began)
            after = page[-1].name
            # Thousands of them must not hold everybody else up.
            await self._clock.sleep(0)
        await self._remove_unknown(unknown)

    async def _look_after(self, volume: Volume, held: Held | None, now: datetime) -> None:
        match volume.state:
            case VolumeState.DELETING:
                await self._remove(volume)
            case VolumeState.UPLOADING if now - volume.update_time > self._stale:
                # Whoever filled it was killed.
                await self._change(volume, VolumeState.DELETING)
                self.wake()
            case VolumeState.DETACHED if held is None:
                if volume.measure_time is None and volume.create_time < now - self._stale:
                    # It was never made: its allocation did not come so far.
                    await self._store.remove(volume, VolumeFact.DELETED)
                elif volume.measure_time is not None:
                    await self._change(volume, VolumeState.LOST)
            case VolumeState.LOST if held is not None:
                await self._change(volume, VolumeState.DETACHED)
            case VolumeState.IN_USE if held is not None and held.measure_time is not None:
                await self._stop_if_full(replace(volume, size_bytes=held.size_bytes))

    async def _remove(self, volume: Volume) -> None:
        try:
            await self._contents.remove(volume.identity)
        except Fault as fault:
            # The others must not wait for it; it is tried again.
            self._observer.failed("volumes", fault)
            return
        await self._store.remove(volume, VolumeFact.DELETED)

    async def _change(self, volume: Volume, state: VolumeState) -> None:
        # Where another change was faster, the next time will do.
        await self._store.replace(replace(volume, state=state, update_time=self._clock.now()))

    async def _stop_if_full(self, volume: Volume) -> None:
        """Has an allocation stopped whose volume holds more than it may."""
        if not volume.is_full:
            return
        reason = StateReason("VOLUME_FULL", full_message(volume))
        for _ in range(_MOST_RACES):
            found = await self._allocations.find(volume.allocation)
            if found is None or found.desired is not Desired.RUNNING:
                return
            if found.state is State.PENDING:
                # It does not run; its start is refused, or it is stopped, once it does.
                return
            after = requests.stop_for(found, self._clock.now(), reason)
            written = await self._allocations.replace(after, Fact.STATE_REQUESTED)
            if written is not None:
                self._kick(written)
                return

    async def _remove_unknown(self, unknown: set[str]) -> None:
        """Removes what the engine has and nobody knows, after a grace."""
        now = self._clock.monotonic()
        self._unknown = {name: self._unknown.get(name, now) for name in unknown}
        for name, since in list(self._unknown.items()):
            if (
                now - since >= self._orphan_grace
                and await self._store.find(f"volumes/{name}") is None
            ):
                await self._contents.remove(name)
                del self._unknown[name]


def _measures(page: Sequence[Volume], held: Mapping[str, Held]) -> list[Measure]:
    """What is to be written down of measures: what has changed, or was not said for long."""
    measures = []
    for volume in page:
        found = held.get(volume.identity)
        if found is None or found.measure_time is None:
            continue
        last = volume.measure_time
        if (
            last is None
            or found.size_bytes != volume.size_bytes
            or found.measure_time - last > _MEASURE_AGE
        ) and (last is None or found.measure_time > last):
            measures.append(Measure(volume.name, found.size_bytes, found.measure_time))
    return measures
