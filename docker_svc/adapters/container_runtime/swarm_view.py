"""What is so in a Swarm: looked at as a whole, compared with before, and set right where it let go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from aiodocker.exceptions import DockerError

from chassis.clock import truncated
from chassis.faults import Fault
from docker_svc.adapters.container_runtime.docker_config import (
    LABEL_ALLOCATION,
    LABEL_INSTALLATION,
    key_of,
)
from docker_svc.adapters.container_runtime.swarm_cluster import (
    Cluster,
    ClusterNode,
    Document,
    instant,
)
from docker_svc.adapters.container_runtime.swarm_network import ClusterNetwork
from docker_svc.adapters.container_runtime.swarm_refusals import refused_network
from docker_svc.adapters.container_runtime.swarm_service import (
    Move,
    Situation,
    again,
    is_wanted,
    situation_of,
)
from docker_svc.adapters.container_runtime.swarm_volumes import ClusterVolumes
from docker_svc.domain import EngineUnavailable, InstanceKey
from docker_svc.ports.container_runtime import EngineAvailable, InstanceChanged, RuntimeEvent

_FIRST_AGAIN = 1.0
_LONGEST_AGAIN = 60.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What is so at one moment.

    Attributes:
        services: by the key of their instance.
        situations: by the same.
        nodes: by their id.
    """

    services: Mapping[InstanceKey, Document]
    situations: Mapping[InstanceKey, Situation]
    nodes: Mapping[str, ClusterNode]


@dataclass(slots=True)
class _Turn:
    """When a service that Swarm has let go of is placed anew next."""

    due: float = 0.0
    pause: float = _FIRST_AGAIN


@dataclass(slots=True)
class ClusterView:
    """Looks at a cluster.

    Attributes:
        cluster: what is asked.
        volumes: know the only node that an instance may be on.
        network: that instances are on.
        installation: whose services are looked at.
        seconds: how often.
    """

    cluster: Cluster
    volumes: ClusterVolumes
    network: ClusterNetwork
    installation: str
    seconds: float
    _heard: dict[str, datetime] = field(default_factory=dict)
    _busy: set[InstanceKey] = field(default_factory=set)
    _turns: dict[InstanceKey, _Turn] = field(default_factory=dict)

    async def nodes(self) -> dict[str, ClusterNode]:
        """Every node, by its id.

        Raises:
            EngineUnavailable: the manager does not answer.
        """
        nodes = await self.cluster.nodes()
        now = truncated(datetime.now(UTC))
        for node in nodes.values():
            if node.answers:
                self._heard[node.id] = now
            else:
                self._heard.setdefault(node.id, node.update_time)
        return nodes

    def heard(self, node: str) -> datetime | None:
        """When the cluster last said that a node answers; None where it is not known."""
        return self._heard.get(node)

    async def look(self, allocation: str = "") -> Seen:
        """What is so.

        Args:
            allocation: of whose instances; empty for all.

        Raises:
            EngineUnavailable: the manager does not answer.
        """
        label = f"{LABEL_INSTALLATION}={self.installation}"
        if allocation:
            label = f"{LABEL_ALLOCATION}={allocation}"
        # Tasks last: none is looked at without its service or its node.
        nodes = await self.nodes()
        found = await self.cluster.services(label)
        tasks: dict[str, list[Document]] = {}
        for task in await self.cluster.tasks(label):
            tasks.setdefault(task["ServiceID"], []).append(task)
        services: dict[InstanceKey, Document] = {}
        situations: dict[InstanceKey, Situation] = {}
        for service in found:
            labels = service["Spec"]["Labels"]
            key = key_of(labels)
            if key is None or labels.get(LABEL_INSTALLATION) != self.installation:
                continue
            services[key] = service
            situation = situation_of(service, tasks.get(service["ID"], ()), nodes)
            situations[key] = self._dated(situation)
        return Seen(services, situations, nodes)

    def _dated(self, situation: Situation) -> Situation:
        ran = situation.ran
        if not situation.standing.away or ran is None:
            return situation
        heard = self._heard.get(ran.get("NodeID", ""), instant(ran["Status"]["Timestamp"]))
        return replace(situation, standing=replace(situation.standing, away_time=heard))

    @contextmanager
    def left_alone(self, key: InstanceKey) -> Iterator[None]:
        """While somebody does something with a service, it is not placed anew beside them."""
        self._busy.add(key)
        try:
            yield
        finally:
            self._busy.discard(key)

    async def events(self) -> AsyncGenerator[RuntimeEvent, None]:
        """What changes from one look to the next, and whether the manager answers; for ever."""
        available: bool | None = None
        before: Mapping[InstanceKey, Situation] = {}
        while True:
            try:
                seen = await self.look()
            except EngineUnavailable:
                if available is not False:
                    available = False
                    yield EngineAvailable(available=False)
            else:
                if available is not True:
                    available, before = True, seen.situations
                    yield EngineAvailable(available=True)
                for change in _changes(before, seen.situations):
                    yield change
                before = seen.situations
                await self._place_anew(seen)
            await asyncio.sleep(self.seconds)

    async def _place_anew(self, seen: Seen) -> None:
        """Has Swarm place what it has let go of: its node is lost, or drained."""
        let_go = {key for key, s in seen.situations.items() if s.move is Move.LET_GO}
        for key in set(self._turns) - let_go:
            if seen.situations.get(key) is None or seen.situations[key].move is Move.NONE:
                del self._turns[key]
        now = time.monotonic()
        for key in let_go - self._busy:
            turn = self._turns.setdefault(key, _Turn())
            if now < turn.due:
                continue
            turn.due, turn.pause = now + turn.pause, min(turn.pause * 2, _LONGEST_AGAIN)
            try:
                await self._one_anew(key, seen)
            except (Fault, DockerError):
                # Its node is away with its files, or the manager is: it is tried again.
                continue

    async def _one_anew(self, key: InstanceKey, seen: Seen) -> None:
        service = seen.services[key]
        node = await self.volumes.node_of(service, seen.nodes)
        if refused := refused_network(seen.situations[key]):
            network = await self.network.renew(refused, seen.nodes)
        else:
            network = await self.network.provide(seen.nodes)
        if is_wanted(service):
            await self.cluster.update(service, again(service, node, network))


def _changes(
    before: Mapping[InstanceKey, Situation], now: Mapping[InstanceKey, Situation]
) -> list[InstanceChanged]:
    changes = [InstanceChanged(key, "removed") for key in before if key not in now]
    for key, situation in now.items():
        is_so = situation.standing
        was = before[key].standing if key in before else None
        if is_so.run and (was is None or is_so.run != was.run):
            changes.append(InstanceChanged(key, "started"))
        if is_so.run and (
            (was is not None and was.running and not was.away and (not is_so.running or is_so.away))
            or ((was is None or was.run != is_so.run or was.away) and not is_so.running)
        ):
            changes.append(InstanceChanged(key, "ended"))
        elif was is not None and was.away and not is_so.away and was.run == is_so.run:
            changes.append(InstanceChanged(key, "started"))
    return changes
