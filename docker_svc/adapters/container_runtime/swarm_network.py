"""The network of a Swarm's instances: on each node a bridge of its own, between nodes nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from aiodocker import Docker
from aiodocker.exceptions import DockerError

from docker_svc.adapters.container_runtime.docker_config import LABEL_INSTALLATION
from docker_svc.adapters.container_runtime.docker_engine import asked, start_fault
from docker_svc.adapters.container_runtime.swarm_cluster import Cluster, ClusterNode, Document
from docker_svc.adapters.container_runtime.swarm_engines import NodeEngines
from docker_svc.domain import EngineUnavailable

_SECONDS = 30.0
_TRIES = 8
_PAUSE = 0.25


class ClusterNetwork:
    """Provides the network that the services of an installation are on.

    Swarm hands no options to a bridge on its nodes, so what keeps instances apart comes from a
    configuration of that name, which each node must have: it is put there through its own engine.

    Args:
        cluster: has the network.
        engines: have its configuration.
        installation: whose it is.
        name: of one that an admin has made; empty for one of our own.
    """

    def __init__(
        self, cluster: Cluster, engines: NodeEngines, installation: str, name: str = ""
    ) -> None:
        self._cluster = cluster
        self._engines = engines
        self._installation = installation
        self._given = name
        self._prepared: set[str] = set()
        self._is_apart = False
        self._making = asyncio.Lock()

    @property
    def name(self) -> str:
        """Of the network."""
        return self._given or f"allocator-{self._installation}"

    @property
    def keeps_apart(self) -> bool:
        """Whether instances on one node cannot reach each other, as far as we have a say in it."""
        return self._is_apart

    async def provide(self, nodes: Mapping[str, ClusterNode]) -> str:
        """Makes the network where it is not there; its name.

        Raises:
            EngineUnavailable: the cluster, or the engine of a node, does not answer.
            EngineRefused: it cannot be made.
        """
        if self._given:
            return self._given
        async with self._making:
            return await self._provide(nodes)

    async def _provide(self, nodes: Mapping[str, ClusterNode]) -> str:
        labels = {LABEL_INSTALLATION: self._installation}
        found = await self._cluster.network(self.name)
        apart = all(self._engines.reach(node) for node in nodes.values())
        if found is not None:
            apart = self._is_apart = bool(found.get("ConfigFrom", {}).get("Network"))
        try:
            if apart:
                await self._configure(nodes, labels)
            if found is None:
                config: Document = {"Name": self.name, "Driver": "bridge", "Scope": "swarm"}
                if apart:
                    # All else comes from there, labels included.
                    config["ConfigFrom"] = {"Network": self._configuration}
                else:
                    config["Labels"] = labels
                with contextlib.suppress(_Exists):
                    await self._make(config)
                self._is_apart = apart
        except DockerError as error:
            raise start_fault(error) from error
        return self.name

    async def tidy(self, nodes: Mapping[str, ClusterNode]) -> None:
        """Removes the network and its configurations, if nobody is on it."""
        if self._given:
            return
        with contextlib.suppress(DockerError, EngineUnavailable):
            await self._cluster.remove_network(self.name)
            for _, engine in self._engines.each(nodes):
                await self._unconfigure(engine)

    async def _unconfigure(self, engine: Docker) -> None:
        for _ in range(_TRIES):
            # A node lets go of a network a moment after the cluster has.
            with contextlib.suppress(DockerError):
                async with asked(_SECONDS):
                    await (await engine.networks.get(self._configuration)).delete()
                return
            await asyncio.sleep(_PAUSE)

    @property
    def _configuration(self) -> str:
        return f"allocator-{self._installation}-apart"

    async def _configure(self, nodes: Mapping[str, ClusterNode], labels: dict[str, str]) -> None:
        for node, engine in self._engines.each(nodes):
            if node.id in self._prepared:
                continue
            config = {
                "Name": self._configuration,
                "ConfigOnly": True,
                "CheckDuplicate": True,
                "Labels": labels,
                "Options": {"com.docker.network.bridge.enable_icc": "false"},
            }
            try:
                async with asked(_SECONDS):
                    await engine.networks.create(config)
            except DockerError as error:
                if error.status != 409:
                    raise
            self._prepared.add(node.id)

    async def _make(self, config: Document) -> None:
        try:
            await self._cluster.make_network(config)
        except DockerError as error:
            if error.status == 409 or "name conflicts" in error.message:
                raise _Exists from error
            raise


class _Exists(Exception):
    """Another process has made it a moment ago."""
