"""When instances were last in use, by several signs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis.clock import Clock
from docker_svc.domain import InstanceKey, InstanceSpec, Standing
from docker_svc.domain.activity import Activity, Counters, computes, has_answered, is_probed, talks
from docker_svc.ports.activity_meter import ActivityMeter

_FORGOTTEN_SECONDS = 3600.0
_LEAST_SECONDS = 0.5
_LONGEST_PROBE_SECONDS = 1.5


@dataclass(slots=True)
class _Watched:
    """What was seen of one run of an instance; moments are on the monotonic clock."""

    run: str
    since: float
    counters: Counters
    counted: float
    network: float | None = None
    cpu: float | None = None
    connection: float | None = None


class ActivityWatch:
    """Compares what is counted whenever somebody asks with what was counted when they asked before.

    So it costs nothing where nobody asks, and use between two questions is found by what it leaves in
    the counters. Moments are kept on the monotonic clock: a clock that is set makes nothing idle.
    """

    def __init__(
        self,
        running: Callable[[str], tuple[Standing, InstanceSpec] | None],
        watched: Callable[[str], float | None],
        meter: ActivityMeter,
        clock: Clock,
    ) -> None:
        """Keeps its parts.

        Args:
            running: the instance of an allocation, if it runs, and what it was asked to be.
            watched: when somebody last followed the log of an allocation, on the monotonic clock.
            meter: counts.
            clock: the time.
        """
        self._running = running
        self._followed = watched
        self._meter = meter
        self._clock = clock
        self._watched: dict[InstanceKey, _Watched] = {}

    async def seen(self, allocations: Iterable[str]) -> tuple[Sequence[Activity], datetime]:
        """When instances were last in use, and the time by which that is told.

        Args:
            allocations: whose; those that do not run are left out.

        Raises:
            EngineUnavailable: the engine does not answer.
        """
        asked = {found[0].key: found for name in set(allocations) if (found := self._running(name))}
        counted = await self._meter.measure([standing for standing, _ in asked.values()])
        now = self._clock.monotonic()
        doubtful = []
        for key, counters in counted.items():
            standing, spec = asked[key]
            watched = self._take(standing, spec, counters, now)
            if counters.connections and is_probed(spec):
                doubtful.append(standing)
            elif counters.connections or has_answered(counters, spec):
                watched.connection = now
        for key in await self._still_connected(doubtful):
            self._watched[key].connection = now
        self._watched = {
            key: watched
            for key, watched in self._watched.items()
            if now - watched.counted < _FORGOTTEN_SECONDS
        }
        present = self._clock.now()

        def time(moment: float | None) -> datetime | None:
            return None if moment is None else present - timedelta(seconds=now - moment)

        return [
            Activity(
                key.allocation,
                watch_time=present - timedelta(seconds=now - watched.since),
                network_time=time(watched.network),
                cpu_time=time(watched.cpu),
                connection_time=time(watched.connection),
                watcher_time=time(self._followed(key.allocation)),
            )
            for key in counted
            if (watched := self._watched[key])
        ], present

    def _take(
        self, standing: Standing, spec: InstanceSpec, counters: Counters, now: float
    ) -> _Watched:
        watched = self._watched.get(standing.key)
        if watched is None or watched.run != standing.run:
            watched = _Watched(standing.run, now, counters, now)
            self._watched[standing.key] = watched
        seconds = now - watched.counted
        if seconds < _LEAST_SECONDS:
            return watched  # too short to tell use from chance
        if computes(watched.counters, counters, seconds):
            watched.cpu = now
        if talks(watched.counters, counters, seconds, spec):
            watched.network = now
        watched.counters, watched.counted = counters, now
        return watched

    async def _still_connected(self, standings: Sequence[Standing]) -> list[InstanceKey]:
        """Those with an open connection that is no probe of ours: it outlasts one, or another follows."""
        if not standings:
            return []
        await self._clock.sleep(_LONGEST_PROBE_SECONDS)
        counted = await self._meter.measure(standings)
        return [key for key, counters in counted.items() if counters.connections]
