"""The engines of a Swarm's nodes, as far as they can be reached from here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aiodocker import Docker

from docker_svc.adapters.container_runtime.docker_engine import open_engine
from docker_svc.adapters.container_runtime.swarm_cluster import ClusterNode


class NodeEngines:
    """Clients of the engines of nodes. The cluster does without; statistics and volumes need them.

    Args:
        docker: a client of the manager's own engine.
        addresses: by the name of a node, `unix:///…` or `tcp://…`; the entry `*` is for all others,
            with `{name}` and `{address}` for those of the node.
    """

    def __init__(self, docker: Docker, addresses: Mapping[str, str]) -> None:
        self._docker = docker
        self._addresses = dict(addresses)
        self._opened: dict[str, Docker] = {}

    def of(self, node: ClusterNode | None) -> Docker | None:
        """The engine of a node; None where nobody has said how it is reached."""
        if node is None:
            return None
        if node.is_own:
            return self._docker
        if node.id not in self._opened:
            address = self._addresses.get(node.name) or self._addresses.get("*")
            if not address:
                return None
            url = address.replace("{name}", node.name).replace("{address}", node.address)
            self._opened[node.id] = open_engine(url)
        return self._opened[node.id]

    def own(self, nodes: Mapping[str, ClusterNode]) -> ClusterNode:
        """The node that the manager's engine is on."""
        return next(node for node in nodes.values() if node.is_own)

    def reach(self, node: ClusterNode) -> bool:
        """Whether somebody has said how the engine of a node is reached."""
        return self.of(node) is not None

    def each(self, nodes: Mapping[str, ClusterNode]) -> Iterator[tuple[ClusterNode, Docker]]:
        """The engines of nodes that answer."""
        for node in nodes.values():
            engine = self.of(node)
            if engine is not None and node.answers:
                yield node, engine

    async def close(self) -> None:
        """Closes all but the manager's own."""
        for engine in self._opened.values():
            await engine.close()
            await engine.connector.close()
        self._opened.clear()
