"""The use of containers: by the kernel where this is the engine's host, else by the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiodocker.exceptions import DockerError

from docker_svc.adapters.activity_meter.kernel import (
    connections_in,
    group_cpu_seconds,
    is_of,
    network_bytes,
    socket_counts,
)
from docker_svc.adapters.container_runtime.docker_engine import asked, engine_url, open_engine
from docker_svc.domain import InstanceKey, Protocol, Standing
from docker_svc.domain.activity import Counters

_SECONDS = 15.0
_AT_ONCE = 8
_ASKED_AT_ONCE = 64
_MOST_PLACES = 20_000


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a run of a container is: its id, and its first process in the words of the engine."""

    run: str
    container: str
    pid: int


@dataclass(slots=True)
class _Connected:
    """The connections of one run, as they were found when there were so many sockets.

    Attributes:
        run: which run.
        counts: how many sockets there were.
        open: connections to its ports, that were open.
        ended: that it had closed within a minute.
        times: how often this is believed while there are as many sockets.
    """

    run: str
    counts: tuple[int, ...]
    open: int
    ended: int
    times: int = 5


class DockerActivityMeter:
    """Counts processor, bytes, and connections where they can be seen from here.

    The kernel's files cost a hundredth of what a question to the engine does. A process of the engine's
    host is looked for by its number, and believed to be it where its control group names the container.
    """

    def __init__(self, url: str = "", *, looks_itself: bool = True) -> None:
        """Opens a client of the engine.

        Args:
            url: where the engine is; by default as in `engine_url`.
            looks_itself: whether the kernel may be asked; else the engine is, also on its own host.
        """
        self._docker = open_engine(url or engine_url())
        self._looks_itself = looks_itself
        self._places: dict[InstanceKey, _Place] = {}
        self._connections: dict[InstanceKey, _Connected] = {}

    async def measure(self, standings: Sequence[Standing]) -> Mapping[InstanceKey, Counters]:
        """Finds each new run once; then reads files, and asks the engine for what they do not tell."""
        slots = asyncio.Semaphore(_AT_ONCE)
        places: dict[InstanceKey, _Place] = {}

        async def placed(standing: Standing) -> None:
            place: _Place | None = self._places.get(standing.key)
            if place is None or place.run != standing.run:
                async with slots:
                    place = await self._placed(standing)
            if place is not None:
                places[standing.key] = place

        await asyncio.gather(*(placed(one) for one in standings if one.running))
        # Others are asked for beside these; those that have gone are forgotten now and then.
        known_before = self._places if len(self._places) < _MOST_PLACES else {}
        self._places = {**known_before, **places}
        known = [one for one in standings if one.key in places]
        found = await asyncio.to_thread(self._seen, known, places)

        # An engine may answer with its sample of the next second only.
        waiting = asyncio.Semaphore(_ASKED_AT_ONCE)

        async def told(standing: Standing) -> None:
            async with waiting:
                counters = await self._told(places[standing.key].container)
            if counters is not None:
                found[standing.key] = counters

        await asyncio.gather(*(told(one) for one in known if one.key not in found))
        return found

    async def close(self) -> None:
        """Closes the connections."""
        await self._docker.close()
        await self._docker.connector.close()

    async def _placed(self, standing: Standing) -> _Place | None:
        try:
            async with asked(_SECONDS):
                shown = await self._docker.containers.container(standing.name).show()
        except DockerError:
            return None  # it has gone meanwhile
        state = shown["State"]
        if not state["Running"] or state["StartedAt"] != standing.run:
            return None
        return _Place(standing.run, shown["Id"], int(state["Pid"]))

    def _seen(
        self, standings: Sequence[Standing], places: Mapping[InstanceKey, _Place]
    ) -> dict[InstanceKey, Counters]:
        found: dict[InstanceKey, Counters] = {}
        if not self._looks_itself:
            return found
        for standing in standings:
            place = places[standing.key]
            if not is_of(place.pid, place.container):
                continue
            cpu = group_cpu_seconds(place.pid, place.container)
            total = network_bytes(place.pid)
            connections = self._connected(standing, place)
            if cpu is not None and total is not None and connections is not None:
                found[standing.key] = Counters(cpu, total, connections.open, connections.ended)
        return found

    def _connected(self, standing: Standing, place: _Place) -> _Connected | None:
        """The connections to its ports; as they were, while the number of its sockets does not change."""
        counts = socket_counts(place.pid)
        known = self._connections.get(standing.key)
        if known is not None and known.run == place.run and known.counts == counts and known.times:
            known.times -= 1
            return known
        connections = connections_in(place.pid)
        if counts is None or connections is None:
            return None
        ports = [p.container_port for p in standing.ports if p.protocol is Protocol.TCP]
        seen = _Connected(
            place.run,
            counts,
            sum(connections.open[port] for port in ports),
            sum(connections.ended[port] for port in ports),
        )
        if len(self._connections) > _MOST_PLACES:
            self._connections.clear()
        self._connections[standing.key] = seen
        return seen

    async def _told(self, container: str) -> Counters | None:
        try:
            async with asked(_SECONDS):
                sample = await self._docker._query_json(  # noqa: SLF001 - its own way waits a second
                    f"containers/{container}/stats", params={"stream": "0", "one-shot": "1"}
                )
        except DockerError:
            return None
        return _counted(sample)


def _counted(sample: dict[str, Any]) -> Counters | None:
    cpu = (sample.get("cpu_stats") or {}).get("cpu_usage") or {}
    if not (sample.get("pids_stats") or {}).get("current"):
        return None  # it does not run
    networks = (sample.get("networks") or {}).values()
    return Counters(
        cpu_seconds=cpu.get("total_usage", 0) / 1e9,
        network_bytes=sum(n.get("rx_bytes", 0) + n.get("tx_bytes", 0) for n in networks),
    )
