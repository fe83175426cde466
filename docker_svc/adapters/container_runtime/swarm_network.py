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

    An engine that was killed may refuse a network of the cluster that it had before, for good. Then
    there is a next one, with the next number, and what is made or placed from then on is on that.

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
    def _first(self) -> str:
        return f"allocator-{self._installation}"

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
            ours = await self._ours()
            return await self._provide(max(ours, default=1), ours, nodes)

    async def renew(self, used: str, nodes: Mapping[str, ClusterNode]) -> str:
        """Makes the next network, since a node refuses the one that was used; its name.

        Args:
            used: what was refused, its name or its id; where that is not the newest one, nothing is made.
            nodes: of the cluster.

        Raises:
            EngineUnavailable, EngineRefused: as `provide`.
        """
        if self._given:
            return self._given
        async with self._making:
            ours = await self._ours()
            number = max(ours, default=0)
            is_newest = number and used in (ours[number]["Name"], ours[number]["Id"])
            return await self._provide(number + 1 if is_newest else max(number, 1), ours, nodes)

    async def _ours(self) -> dict[int, Document]:
        """Our networks, by their numbers."""
        found: dict[int, Document] = {}
        for network in await self._cluster.networks(self._first):
            end = network["Name"].removeprefix(self._first)
            if not end or end[1:].isdecimal():
                found[int(end[1:] or 1)] = network
        return found

    async def _provide(
        self, number: int, ours: Mapping[int, Document], nodes: Mapping[str, ClusterNode]
    ) -> str:
        labels = {LABEL_INSTALLATION: self._installation}
        found = ours.get(number)
        name = self._first if number == 1 else f"{self._first}-{number}"
        apart = all(self._engines.reach(node) for node in nodes.values())
        if found is not None:
            apart = self._is_apart = bool(found.get("ConfigFrom", {}).get("Network"))
        try:
            if apart:
                await self._configure(nodes, labels)
            if found is None:
                config: Document = {"Name": name, "Driver": "bridge", "Scope": "swarm"}
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
        return name

    async def tidy(self, nodes: Mapping[str, ClusterNode]) -> None:
        """Removes our networks and their configurations, if nobody is on them."""
        if self._given:
            return
        with contextlib.suppress(DockerError, EngineUnavailable):
            for network in (await self._ours()).values():
                await self._cluster.remove_network(network["Id"])
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
