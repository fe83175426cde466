"""Instances as services of a Docker Swarm, on whichever of its nodes Swarm has placed them."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from aiodocker import Docker
from aiodocker.exceptions import DockerError

from docker_svc.adapters.container_runtime.docker_config import (
    KILLED_CODE,
    LABEL_INSTALLATION,
    key_of,
)
from docker_svc.adapters.container_runtime.docker_engine import (
    asked,
    engine_url,
    open_engine,
    start_fault,
    to_its_end,
)
from docker_svc.adapters.container_runtime.docker_streams import container_usage, fetched
from docker_svc.adapters.container_runtime.swarm_cluster import Cluster, Document
from docker_svc.adapters.container_runtime.swarm_engines import NodeEngines
from docker_svc.adapters.container_runtime.swarm_network import ClusterNetwork
from docker_svc.adapters.container_runtime.swarm_refusals import (
    NetworkRefused,
    is_somewhere,
    not_begun,
    refuse_waiting,
    refused_network,
)
from docker_svc.adapters.container_runtime.swarm_service import (
    Move,
    ServicePolicy,
    Situation,
    again,
    halted,
    is_over,
    is_waiting,
    is_wanted,
    isolation,
)
from docker_svc.adapters.container_runtime.swarm_view import ClusterView
from docker_svc.adapters.container_runtime.swarm_volumes import ClusterVolumes
from docker_svc.domain import (
    Capacity,
    EngineRefused,
    EngineUnavailable,
    ImageNotFound,
    InstanceKey,
    InstanceNotFound,
    InstanceSpec,
    NoNodeFits,
    NotRunnable,
    PortTaken,
    Progress,
    Protocol,
    Standing,
    StatsUnreachable,
    Target,
    Usage,
)
from docker_svc.ports.container_runtime import RuntimeEvent
from docker_svc.ports.logs import LogSource

_SHORT = 15.0
_LONG = 120.0
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 0.5
_PLACING_SECONDS = 20.0
_ATTEMPTS = 10
_OOM_KEPT = 1000


class SwarmRuntime:
    """Runs instances on the nodes of a Swarm; see `swarm_service` for how.

    Args:
        policy: what all services have in common.
        url: of the engine of a manager; by default as in `engine_url`.
        engines: how the engines of nodes are reached, as in `NodeEngines`.
        network: of instances, as in `ClusterNetwork`.
        poll_seconds: how often the cluster is looked at.
    """

    name = "swarm"

    def __init__(
        self,
        policy: ServicePolicy,
        url: str = "",
        *,
        engines: dict[str, str] | None = None,
        network: str = "",
        poll_seconds: float = 0.5,
    ) -> None:
        self._url = url or engine_url()
        self._docker = open_engine(self._url)
        self._policy = policy
        installation = policy.containers.installation
        self.cluster = Cluster(self._docker)
        self.engines = NodeEngines(self._docker, engines or {})
        self._network = ClusterNetwork(self.cluster, self.engines, installation, network)
        self.volumes = ClusterVolumes(
            self.cluster, self.engines, policy.containers, is_shared=bool(policy.volume_driver)
        )
        self.view = ClusterView(
            self.cluster, self.volumes, self._network, installation, poll_seconds
        )
        self._out_of_memory: dict[str, bool] = {}

    # ------------------------------------------------------------------ what is asked for

    async def check(self, spec: InstanceSpec) -> None:
        """Looks whether there is an image, and whether volumes could be looked after."""
        if not spec.image:
            raise NotRunnable("This installation runs containers, and the machine has no image.")
        self.volumes.check(spec, await self.view.nodes())

    async def ensure(
        self, key: InstanceKey, spec: InstanceSpec, progress: Callable[[Progress], None]
    ) -> Standing:
        """Makes a service, and waits until its first task runs."""
        with self.view.left_alone(key):
            if await self._service(key) is None:
                await self._make(key, spec)
            try:
                situation = await self._begun(key, frozenset(), progress)
            except BaseException as error:
                if not isinstance(error, EngineUnavailable) or isinstance(error, NetworkRefused):
                    await to_its_end(self._take_back(key))
                raise
            if situation.ran is not None and spec.volumes:
                await self.volumes.bind(key, spec, situation.ran["NodeID"])
            return await self._told(situation)

    async def _make(self, key: InstanceKey, spec: InstanceSpec) -> None:
        nodes = await self.view.nodes()
        self.volumes.check(spec, nodes)
        node = await self.volumes.node_for(key, spec, nodes) if spec.volumes else ""
        network = await self._network.provide(nodes)
        try:
            await self.cluster.create(
                self._policy.service_spec(key, spec, network=network, node=node)
            )
        except DockerError as error:
            # 409: made a moment ago, by a former process.
            if error.status != 409 or await self._service(key) is None:
                raise start_fault(error) from error

    async def _take_back(self, key: InstanceKey) -> None:
        """Removes a service whose program was never started."""
        with contextlib.suppress(EngineUnavailable, DockerError):
            situation = await self._situation(key)
            service = await self._service(key)
            await self._renew(situation)
            if service is not None and (situation is None or situation.ran is None):
                await self._away(key.allocation, [service])

    async def _renew(self, situation: Situation | None) -> None:
        if situation is not None and (refused := refused_network(situation)):
            await self._network.renew(refused, await self.view.nodes())

    async def start(self, key: InstanceKey, spec: InstanceSpec) -> Standing:
        """Has Swarm place a new task of a service that has ended."""
        with self.view.left_alone(key):
            situation = await self._required(key)
            if situation.standing.running and not situation.standing.away:
                return await self._told(situation)
            seen = await self.view.look(key.allocation)
            network = await self._network.provide(seen.nodes)
            node = ""
            if spec.volumes:
                node = await self.volumes.node_for(key, spec, seen.nodes)
            known = frozenset(t["ID"] for t in (situation.newest, situation.ran) if t)
            await to_its_end(self._changed(key, lambda service: again(service, node, network)))
            try:
                return await self._told(await self._begun(key, known, lambda _: None))
            except (PortTaken, EngineRefused, ImageNotFound, NoNodeFits, NetworkRefused):
                await self._renew(await self._situation(key))
                await to_its_end(self._changed(key, halted))
                raise

    async def stop(self, key: InstanceKey, grace: float) -> Standing:
        """Has Swarm end the task; where the engine of its node is reached, after no more than the grace.

        Elsewhere the grace is that of the spec. On a node that does not answer it ends once that is back.
        """
        with self.view.left_alone(key):
            situation = await self._required(key)
            if not situation.standing.running:
                return await self._told(situation)
            await to_its_end(self._changed(key, halted))
            await self._hurry(situation, grace)
            async for situation in self._looking(key, math.ceil(grace) + _LONG):
                if not situation.standing.running or situation.standing.away:
                    return await self._told(situation)
        raise EngineUnavailable("An instance has not ended yet; it is asked for again.")

    async def _hurry(self, situation: Situation, grace: float) -> None:
        """Has the engine of the node kill a program that has not ended after the grace."""
        found = await self._container(situation)
        if found is None:
            return
        engine, identity = found
        with contextlib.suppress(DockerError, EngineUnavailable):
            async with asked(math.ceil(grace) + _SHORT):
                await engine.containers.container(identity).stop(t=math.ceil(grace))

    async def remove(self, allocation: str, generation: int) -> None:
        """Removes services, and waits for their tasks; what is on a lost node goes when it is back."""
        seen = await self.view.look(allocation)
        going = [(k, s) for k, s in seen.services.items() if k.generation <= generation]

        async def away() -> None:
            for key, _ in going:
                await self._hurry(seen.situations[key], 0.0)
            await self._away(allocation, [service for _, service in going])

        await to_its_end(away())

    async def _away(self, allocation: str, services: list[Document]) -> None:
        for service in services:
            try:
                await self.cluster.remove(service)
            except DockerError as error:
                raise start_fault(error) from error
        gone = {service["ID"] for service in services}
        pause = _FIRST_PAUSE
        for _ in range(int(_LONG / _LONGEST_PAUSE)):
            nodes = await self.view.nodes()
            tasks = await self.cluster.tasks(f"allocator.allocation={allocation}")
            if not any(
                task["ServiceID"] in gone and not is_over(task) and is_somewhere(task, nodes)
                for task in tasks
            ):
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        raise EngineUnavailable("The cluster has not removed an instance yet.", retry_after=1.0)

    # ------------------------------------------------------------------ what is so

    async def get(self, key: InstanceKey) -> Standing | None:
        """Asks the manager."""
        situation = await self._situation(key)
        return None if situation is None else await self._told(situation)

    async def list_all(self) -> list[Standing]:
        """Asks the manager for everything with our label."""
        seen = await self.view.look()
        return [await self._told(situation) for situation in seen.situations.values()]

    async def events(self) -> AsyncGenerator[RuntimeEvent, None]:
        """What changes from one look at the cluster to the next."""
        async with aclosing(self.view.events()) as events:
            async for event in events:
                yield event

    def targets(self, standing: Standing, container_port: int) -> list[Target]:
        """The published port, at the node that the instance is on."""
        return [
            Target(standing.host, port.host_port, direct=False)
            for port in (standing.ports if standing.host else ())
            if port.container_port == container_port and port.protocol is Protocol.TCP
        ]

    def log_source(self, standing: Standing) -> LogSource:
        """The log of the task, as the manager gathers it from the node."""
        return LogSource(
            kind="swarm", instance=standing.run, address=self._url, running=standing.running
        )

    async def stats(self, key: InstanceKey) -> AsyncGenerator[Usage, None]:
        """What the engine of the node says, where it is reached.

        Raises:
            StatsUnreachable: it is not.
        """
        situation = await self._required(key)
        if not situation.standing.running:
            return
        found = await self._container(situation)
        if found is None:
            raise StatsUnreachable(
                f"What is used on node {situation.standing.node} is not known here. An admin can name "
                "its engine in ALLOCATOR_DOCKER_SWARM_ENGINES."
            )
        engine, identity = found
        async with aclosing(container_usage(engine, identity)) as usages:
            async for usage in usages:
                yield usage

    async def node(self) -> Capacity:
        """The nodes that answer and take tasks, together."""
        about = await self.cluster.about()
        nodes = await self.view.nodes()
        taking = [node for node in nodes.values() if node.answers and node.active]
        return Capacity(
            runtime_version=f"Docker Swarm {about.get('ServerVersion', '')}, "
            f"{len(taking)} of {len(nodes)} nodes",
            cpu_millis=sum(node.cpu_millis for node in taking),
            memory_bytes=sum(node.memory_bytes for node in taking),
            runs_images=True,
            runs_commands=False,
            admins_only=False,
            isolation=isolation(taking, keeps_apart=self._network.keeps_apart),
            host=next((node.host for node in taking), ""),
        )

    async def pull(self, image: str) -> AsyncGenerator[Progress, None]:
        """Has each engine that is reached fetch an image; the others fetch it when they need it."""
        for _, engine in self.engines.each(await self.view.nodes()):
            async with aclosing(fetched(engine, image)) as steps:
                async for step in steps:
                    yield step

    async def close(self) -> None:
        """Removes the network if nobody is on it, and closes the connections."""
        with contextlib.suppress(EngineUnavailable):
            await self._network.tidy(await self.view.nodes())
        await self.engines.close()
        await self._docker.close()
        await self._docker.connector.close()

    # ------------------------------------------------------------------ parts

    async def _service(self, key: InstanceKey) -> Document | None:
        """The service of an instance; None where there is none, or a stranger's.

        Raises:
            EngineRefused: a stranger's has its name.
        """
        found = await self.cluster.service(self._policy.containers.container_name(key))
        if found is None:
            return None
        labels = found["Spec"].get("Labels") or {}
        ours = labels.get(LABEL_INSTALLATION) == self._policy.containers.installation
        if not ours or key_of(labels) != key:
            raise EngineRefused(
                f"The cluster has a service {found['Spec']['Name']} that is not ours. Rename or remove it."
            )
        return found

    async def _situation(self, key: InstanceKey) -> Situation | None:
        return (await self.view.look(key.allocation)).situations.get(key)

    async def _required(self, key: InstanceKey) -> Situation:
        situation = await self._situation(key)
        if situation is None:
            raise InstanceNotFound(
                f"There is no instance {key.generation} of {key.allocation}; ask for it to be made.",
                allocation=key.allocation,
            )
        return situation

    async def _changed(self, key: InstanceKey, change: Callable[[Document], Document]) -> None:
        """Changes a service, whoever else changes it at the same time."""
        for _ in range(_ATTEMPTS):
            service = await self._service(key)
            if service is None:
                return
            spec = change(service)
            if not is_wanted(service) and spec["Labels"] == service["Spec"]["Labels"]:
                return  # stopped already
            try:
                if await self.cluster.update(service, spec):
                    return
            except DockerError as error:
                raise start_fault(error) from error
        raise EngineUnavailable("Somebody else changes an instance all the time.", retry_after=1.0)

    async def _looking(self, key: InstanceKey, seconds: float) -> AsyncGenerator[Situation, None]:
        """Looks again and again, for some seconds."""
        pause, until = _FIRST_PAUSE, asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            yield await self._required(key)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _begun(
        self, key: InstanceKey, known: frozenset[str], progress: Callable[[Progress], None]
    ) -> Situation:
        """Waits until a task that was not known before has run.

        Raises:
            ImageNotFound, PortTaken, EngineRefused, NoNodeFits: none will.
            EngineUnavailable: the manager does not answer.
        """
        waited = asyncio.get_running_loop().time() + _PLACING_SECONDS
        told = ""
        async for situation in self._looking(key, math.inf):
            ran, newest = situation.ran, situation.newest
            if ran is not None and ran["ID"] not in known:
                return situation
            if newest is None or newest["ID"] in known:
                continue
            image = situation.standing.image
            if is_waiting(newest):
                refuse_waiting(situation, too_long=asyncio.get_running_loop().time() > waited)
                continue
            if told != newest["ID"]:
                told = newest["ID"]
                progress(Progress(f"pulling {image} where it is missing"))
            if is_over(newest) or situation.move in (Move.NOT_STARTED, Move.LET_GO):
                raise not_begun(image, situation)
        raise AssertionError("looked for ever")

    async def _container(self, situation: Situation) -> tuple[Docker, str] | None:
        """The container of the task that has run, and its engine; None where that is not reached."""
        task = situation.ran
        if task is None:
            return None
        node = (await self.view.nodes()).get(task.get("NodeID", ""))
        engine = self.engines.of(node)
        identity = task["Status"].get("ContainerStatus", {}).get("ContainerID")
        if engine is None or node is None or not node.answers or not identity:
            return None
        return engine, identity

    async def _told(self, situation: Situation) -> Standing:
        """The standing, with what only the engine of the node knows of its end."""
        standing = situation.standing
        if standing.running or standing.exit_code != KILLED_CODE:
            return standing
        if standing.run not in self._out_of_memory:
            found = await self._container(situation)
            if found is None:
                return standing
            state: dict[str, Any] = {}
            with contextlib.suppress(DockerError, EngineUnavailable):
                async with asked(_SHORT):
                    state = (await found[0].containers.container(found[1]).show())["State"]
            if len(self._out_of_memory) >= _OOM_KEPT:
                self._out_of_memory.clear()
            self._out_of_memory[standing.run] = bool(state.get("OOMKilled"))
        return replace(standing, out_of_memory=self._out_of_memory[standing.run])
