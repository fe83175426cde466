"""The volumes of a Swarm's instances, and the nodes that they are on.

A folder of a node is there and nowhere else, so whoever has one can run on that node only. Which node
that is the cluster itself keeps: in the labels of a config of ours, one for each volume. It is written
before the volume can come to be, and completed once Swarm has chosen a node for its first instance.
With a volume driver every node reaches every volume, and nothing is bound.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing

from docker_svc.adapters.container_runtime.docker_carriers import CarriedVolumes
from docker_svc.adapters.container_runtime.docker_config import (
    LABEL_INSTALLATION,
    LABEL_VOLUME,
    ContainerPolicy,
    volume_name,
    volume_of,
)
from docker_svc.adapters.container_runtime.swarm_cluster import Cluster, ClusterNode, Document
from docker_svc.adapters.container_runtime.swarm_engines import NodeEngines
from docker_svc.domain import (
    EngineUnavailable,
    InstanceKey,
    InstanceSpec,
    NotRunnable,
    VolumeInUse,
    VolumeNotFound,
    volume_ids,
)
from docker_svc.domain.tar_stream import TarPart

LABEL_NODE = "allocator.node"
"""Of a config: the id of the node that the volume is on; empty while that is not known."""


_TRIES = 6
_PAUSE = 0.5


class ClusterVolumes:
    """The volumes of an installation on a cluster.

    Args:
        cluster: keeps where they are.
        engines: have them.
        policy: for names and labels.
        is_shared: whether a driver makes every volume reachable on every node.
    """

    def __init__(
        self, cluster: Cluster, engines: NodeEngines, policy: ContainerPolicy, *, is_shared: bool
    ) -> None:
        self._cluster = cluster
        self._engines = engines
        self._policy = policy
        self._is_shared = is_shared
        self._carried: dict[str, CarriedVolumes] = {}

    # ------------------------------------------------------------------ for instances

    def check(self, spec: InstanceSpec, nodes: Mapping[str, ClusterNode]) -> None:
        """Looks whether volumes can be kept here.

        Raises:
            NotRunnable: nobody could remove them again.
        """
        if not spec.volumes or self._is_shared:
            return
        for node in nodes.values():
            if node.active and not self._engines.reach(node):
                raise NotRunnable(
                    f"The machine keeps files, and the engine of node {node.name} cannot be reached "
                    "to look after them. An admin can name it in ALLOCATOR_DOCKER_SWARM_ENGINES, or "
                    "choose a volume driver with ALLOCATOR_DOCKER_SWARM_VOLUME_DRIVER."
                )

    async def node_for(
        self, key: InstanceKey, spec: InstanceSpec, nodes: Mapping[str, ClusterNode]
    ) -> str:
        """The id of the only node where an instance finds its volumes; empty for any.

        Those that are not there are noted: they come to be with the instance.

        Raises:
            EngineUnavailable: that node does not answer.
            NotRunnable: its volumes are on several nodes.
        """
        wanted = volume_ids(key.allocation, spec.volumes)
        known = await self._places()
        for identity in wanted:
            if identity not in known:
                await self._keep(identity, "")
        return self._common(wanted, known, nodes)

    async def node_of(self, service: Document, nodes: Mapping[str, ClusterNode]) -> str:
        """The same for a service that is there."""
        mounts = service["Spec"]["TaskTemplate"]["ContainerSpec"].get("Mounts") or ()
        wanted = [volume_of(mount["Source"]) for mount in mounts]
        return self._common(wanted, await self._places(), nodes) if wanted else ""

    def _common(
        self, wanted: Sequence[str], known: Mapping[str, str], nodes: Mapping[str, ClusterNode]
    ) -> str:
        # What was on a node that has left the cluster is gone for good.
        found = {known[i] for i in wanted if known.get(i) in nodes}
        if self._is_shared or not found:
            return ""
        if len(found) > 1:
            raise NotRunnable(
                "Its volumes are on several nodes. Download one, and upload it again."
            )
        node = found.pop()
        if not nodes[node].answers:
            raise EngineUnavailable(
                f"Its files are on node {nodes[node].name}, which does not answer. It goes on when "
                "the node is back.",
                retry_after=5.0,
            )
        return node

    async def bind(self, key: InstanceKey, spec: InstanceSpec, node: str) -> None:
        """Keeps that the volumes of an instance are on a node."""
        if not self._is_shared:
            for identity in volume_ids(key.allocation, spec.volumes):
                await self._keep(identity, node)

    # ------------------------------------------------------------------ RuntimeVolumes

    async def names(self) -> list[str]:
        """All that the cluster keeps a place of."""
        return list(await self._places())

    async def measure(self, volumes: Sequence[str] = ()) -> Mapping[str, int]:
        """Has the engines that are reached measure."""
        wanted = set(volumes) or set(await self._places())
        sizes: dict[str, int] = {}
        for node, _ in self._engines.each(await self._cluster.nodes()):
            found = await self._of(node).measure()
            sizes.update({name: size for name, size in found.items() if name in wanted})
        return sizes

    async def remove(self, volume: str) -> None:
        """Removes it where it is, or looks for it everywhere while that is not known."""
        place = (await self._places()).get(volume)
        if place is None:
            return
        nodes = await self._cluster.nodes()
        for node in nodes.values():
            if place not in ("", node.id) and not self._is_shared:
                continue
            if not node.answers or not self._engines.reach(node):
                raise EngineUnavailable(
                    f"Files are on node {node.name}, which does not answer; they are removed when it "
                    "is back.",
                    retry_after=5.0,
                )
            await self._removed(self._of(node), volume)
        for config in await self._known():
            if config["Spec"]["Labels"].get(LABEL_VOLUME) == volume:
                await self._cluster.forget(config)

    async def export(self, volume: str) -> AsyncGenerator[TarPart, None]:
        """What the engine of its node hands out."""
        carried = await self._where(volume)
        async with aclosing(carried.export(volume)) as parts:
            async for part in parts:
                yield part

    async def fill(self, volume: str, parts: AsyncIterator[TarPart]) -> None:
        """Fills it on the node of the manager; instances that have it run there then."""
        if volume in await self._places():
            raise VolumeInUse(f"There is a volume {volume} already.", volume=volume)
        nodes = await self._cluster.nodes()
        own = self._engines.own(nodes)
        await self._of(own).fill(volume, parts)
        await self._keep(volume, own.id)

    # ------------------------------------------------------------------ parts

    async def _removed(self, carried: CarriedVolumes, volume: str) -> None:
        """Removes a volume; its node takes a while to remove containers that are gone from the cluster."""
        for _ in range(_TRIES - 1):
            with contextlib.suppress(EngineUnavailable):
                await carried.remove(volume)
                return
            await asyncio.sleep(_PAUSE)
        await carried.remove(volume)

    async def _where(self, volume: str) -> CarriedVolumes:
        place = (await self._places()).get(volume)
        if place is None:
            raise VolumeNotFound(f"There is no volume {volume}.", volume=volume)
        nodes = await self._cluster.nodes()
        for node, _ in self._engines.each(nodes):
            if place == node.id or self._is_shared:
                return self._of(node)
        if place and place not in nodes:
            raise VolumeNotFound(
                f"The volume {volume} was on a node that has left the cluster.", volume=volume
            )
        raise EngineUnavailable(
            f"The volume {volume} is on a node that does not answer.", retry_after=5.0
        )

    def _of(self, node: ClusterNode) -> CarriedVolumes:
        if node.id not in self._carried:
            engine = self._engines.of(node)
            if engine is None:
                raise EngineUnavailable(f"The engine of node {node.name} is not reached.")
            self._carried[node.id] = CarriedVolumes(engine, self._policy)
        return self._carried[node.id]

    async def _known(self) -> list[Document]:
        return await self._cluster.configs(f"{LABEL_INSTALLATION}={self._policy.installation}")

    async def _places(self) -> dict[str, str]:
        """The ids of volumes, and those of the nodes that they are on."""
        labels = [config["Spec"]["Labels"] for config in await self._known()]
        return {each[LABEL_VOLUME]: each.get(LABEL_NODE, "") for each in labels}

    async def _keep(self, identity: str, node: str) -> None:
        await self._cluster.keep(
            f"{volume_name(identity)}-place",
            {
                LABEL_INSTALLATION: self._policy.installation,
                LABEL_VOLUME: identity,
                LABEL_NODE: node,
            },
        )
