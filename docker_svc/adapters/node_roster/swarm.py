"""The nodes of a Swarm. That one is drained the cluster keeps; why, in a label of the node."""

from __future__ import annotations

from aiodocker.exceptions import DockerError

from chassis.clock import Clock
from docker_svc.adapters.container_runtime.docker_engine import start_fault
from docker_svc.adapters.container_runtime.swarm_cluster import LABEL_DRAINED, ClusterNode
from docker_svc.adapters.container_runtime.swarm_view import ClusterView
from docker_svc.domain.faults import NodeNotFound
from docker_svc.domain.node import NodeStanding


class SwarmNodes:
    """The nodes of a cluster.

    Args:
        view: looks at the cluster.
        clock: the time.
    """

    def __init__(self, view: ClusterView, clock: Clock) -> None:
        self._view = view
        self._clock = clock

    async def list_all(self) -> list[NodeStanding]:
        """Asks a manager."""
        nodes = await self._view.nodes()
        return sorted((self._standing(node) for node in nodes.values()), key=lambda n: n.name)

    def _standing(self, node: ClusterNode) -> NodeStanding:
        return NodeStanding(
            name=node.name,
            host=node.host,
            answers=node.answers,
            drained=not node.active,
            drain_reason=node.labels.get(LABEL_DRAINED, ""),
            cpu_millis=node.cpu_millis,
            memory_bytes=node.memory_bytes,
            observe_time=self._view.heard(node.id) or self._clock.now(),
            message=node.message,
        )

    async def drain(self, name: str, reason: str) -> None:
        """Tells the cluster, which ends what is there; it is placed elsewhere then."""
        await self._change(name, reason or "drained", active=False)

    async def activate(self, name: str) -> None:
        """Tells the cluster."""
        await self._change(name, None, active=True)

    async def _change(self, name: str, reason: str | None, *, active: bool) -> None:
        found = [node for node in (await self._view.nodes()).values() if node.name == name]
        try:
            # Nodes that were made again under their name are there twice: the one that answers counts.
            for node in sorted(found, key=lambda node: node.answers)[-1:]:
                if await self._view.cluster.label_node(
                    node.id, {LABEL_DRAINED: reason}, active=active
                ):
                    return
        except DockerError as error:
            raise start_fault(error) from error
        raise NodeNotFound(f"There is no node {name!r}; list the nodes.", node=name)
