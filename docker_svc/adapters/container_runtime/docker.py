"""Instances as containers of a Docker engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aiodocker.exceptions import DockerError

from chassis.clock import SystemClock
from docker_svc.adapters.container_runtime.disk import disk_of
from docker_svc.adapters.container_runtime.docker_carriers import CarriedVolumes
from docker_svc.adapters.container_runtime.docker_config import (
    LABEL_ALLOCATION,
    LABEL_INSTALLATION,
    ContainerPolicy,
    key_of,
    standing_of,
)
from docker_svc.adapters.container_runtime.docker_engine import (
    asked,
    engine_url,
    open_engine,
    says_no_image,
    start_fault,
    to_its_end,
    told,
)
from docker_svc.adapters.container_runtime.docker_events import ProgramEnds, engine_events
from docker_svc.adapters.container_runtime.docker_limits import fit_limits
from docker_svc.adapters.container_runtime.docker_networks import SharedNetworks
from docker_svc.adapters.container_runtime.docker_sightings import Sightings
from docker_svc.adapters.container_runtime.docker_streams import container_usage, fetched
from docker_svc.adapters.container_runtime.docker_volumes import NamedVolumes
from docker_svc.adapters.container_runtime.ports_check import answers_at, check_ports
from docker_svc.domain import (
    Capacity,
    EngineRefused,
    EngineUnavailable,
    InstanceKey,
    InstanceNotFound,
    InstanceSpec,
    NameTaken,
    NotRunnable,
    Progress,
    Protocol,
    Standing,
    Target,
    Usage,
)
from docker_svc.ports.container_runtime import EngineAvailable, RuntimeEvent
from docker_svc.ports.logs import LogSource

_SHORT = 15.0
_LONG = 120.0
_ATTEMPTS = 4
_STARTS_PER_CORE = 2
_GOING = frozenset({"removing", "dead"})


class DockerRuntime:
    """Runs instances on an engine: of this host, or of the host of the container that this runs in.

    Args:
        policy: what all containers have in common.
        subnets: where the networks of containers are, `["10.213.0.0/16"]`.
        url: where the engine is; by default as in `engine_url`.
        probe_host: the host at which published ports are reached from here; empty on the engine's own.
    """

    name = "docker"

    def __init__(
        self, policy: ContainerPolicy, subnets: list[str], url: str = "", probe_host: str = ""
    ) -> None:
        self._url = url or engine_url()
        self._docker = open_engine(self._url)
        self._policy = policy
        self._networks = SharedNetworks(self._docker, policy, subnets)
        self._volumes = NamedVolumes(self._docker, policy)
        self.volumes = CarriedVolumes(self._docker, policy)
        # Whether the engine's network is ours; then ports and containers are looked at directly.
        self._is_local = self._url.startswith("unix://") and not probe_host
        self._probe_host = probe_host or answers_at(policy.bind_address)
        self._ids: dict[InstanceKey, str] = {}
        # More at a time only makes each one slower, and costs more: a start keeps a core busy.
        self._starting = asyncio.Semaphore(_STARTS_PER_CORE)
        self._found = False
        self._ends = ProgramEnds()
        self._sightings = Sightings(SystemClock())

    async def check(self, spec: InstanceSpec) -> None:
        """Looks whether there is an image and, on the engine's own host, whether the ports are free.

        Elsewhere the engine itself says so when it starts the container.
        """
        if not spec.image:
            raise NotRunnable("This installation runs containers, and the machine has no image.")
        if self._is_local:
            check_ports(self._policy.bind_address, spec)

    async def ensure(
        self, key: InstanceKey, spec: InstanceSpec, progress: Callable[[Progress], None]
    ) -> Standing:
        """Makes a container and starts it, in as few questions to the engine as it can be done."""
        if not self._found:
            await self.list_all()
        try:
            return await self._ensure(key, spec, progress)
        except BaseException:
            self._networks.leave(key)
            raise

    async def _ensure(
        self, key: InstanceKey, spec: InstanceSpec, progress: Callable[[Progress], None]
    ) -> Standing:
        name = self._policy.container_name(key)
        await self._volumes.provide(key, spec)
        for _ in range(_ATTEMPTS):
            network = await self._networks.place(key)
            config = self._policy.container_config(key, spec, network)
            try:
                return await to_its_end(self._make(key, name, config))
            except DockerError as error:
                if says_no_image(error):
                    async with aclosing(self.pull(spec.image)) as steps:
                        async for step in steps:
                            progress(step)
                elif _says_no_network(error):
                    # Somebody has pruned the engine's networks.
                    self._networks.forget(network)
                else:
                    raise start_fault(error) from error
        raise EngineUnavailable("The container engine contradicts itself; it is asked again later.")

    async def _make(self, key: InstanceKey, name: str, config: dict[str, Any]) -> Standing:
        async with self._starting:
            identity = await self._create_and_start(key, name, config)
        # The next one need not wait until this one has been looked at.
        return await self._shown(key, identity)

    async def _create_and_start(self, key: InstanceKey, name: str, config: dict[str, Any]) -> str:
        """Makes a container and starts it, or goes on with the one that is there; its id."""
        try:
            async with asked(_LONG):
                container = await self._docker.containers.create(config, name=name)
        except DockerError as error:
            if error.status != 409:
                raise
            return await self._take_over(key, name, error)
        await self._begin(container.id, config)
        return container.id

    async def _begin(self, identity: str, config: dict[str, Any]) -> None:
        """Starts a container that never ran; one that cannot be started is removed."""
        container = self._docker.containers.container(identity)
        try:
            if config["HostConfig"].get("Mounts"):
                await self._volumes.hand_over(container)
            async with asked(_LONG):
                await container.start()
        except DockerError:
            await self._delete(identity)
            raise

    async def _take_over(self, key: InstanceKey, name: str, error: DockerError) -> str:
        """Goes on with a container of our name that is there already, if it is ours; its id."""
        try:
            async with asked(_SHORT):
                shown = await self._docker.containers.container(name).show()
        except DockerError as gone:
            raise error from gone
        labels = shown["Config"]["Labels"] or {}
        if labels.get(LABEL_INSTALLATION) != self._policy.installation or key_of(labels) != key:
            raise NameTaken(
                f"Another container has the name {name}; one with another name is made.", name=name
            ) from error
        identity: str = shown["Id"]
        if not self._noted(key, shown).run:
            await self._begin(identity, shown)
        return identity

    async def start(self, key: InstanceKey, spec: InstanceSpec) -> Standing:
        """Starts an ended container, with the limits of the spec; the engine keeps all else."""

        async def begin() -> Standing:
            async with self._starting, asked(_LONG):
                await fit_limits(self._docker, self._name(key), spec.limits)
                await self._docker.containers.container(self._name(key)).start()
            return await self._shown(key)

        try:
            await self._required(key)
            return await to_its_end(begin())
        except DockerError as error:
            if error.status == 404 and "no such container" in error.message.lower():
                raise _not_found(key) from error
            raise start_fault(error) from error

    async def stop(self, key: InstanceKey, grace: float) -> Standing:
        """Stops a container: its stop signal through its init, then SIGKILL."""
        seconds = math.ceil(grace)

        async def end() -> Standing:
            async with asked(seconds + _LONG):
                await self._docker.containers.container(self._name(key)).stop(t=seconds)
            return await self._shown(key)

        await self._required(key)
        try:
            return await to_its_end(end())
        except DockerError as error:
            if error.status == 404:
                raise _not_found(key) from error
            raise start_fault(error) from error

    async def remove(self, allocation: str, generation: int) -> None:
        """Removes containers and what they wrote; their anonymous volumes too."""
        found = await self._rows(f"{LABEL_ALLOCATION}={allocation}")
        keys = [(key, row["Id"]) for key, row in found if key.generation <= generation]

        async def away() -> None:
            for key, identity in keys:
                await self._delete(identity)
                self._networks.leave(key)
                self._ids.pop(key, None)
                self._sightings.forget(key)

        await to_its_end(away())

    async def _delete(self, identity: str) -> None:
        # 409 while the engine removes it already: it goes on until the engine knows it no more.
        for _ in range(20):
            try:
                async with asked(_LONG):
                    await self._docker.containers.container(identity).delete(force=True, v=True)
            except DockerError as error:
                if error.status == 404:
                    return
                if error.status != 409:
                    raise EngineUnavailable(
                        "The engine could not remove a container; it is tried again.",
                        retry_after=1.0,
                    ) from error
                await asyncio.sleep(0.1)
            else:
                return
        raise EngineUnavailable("The engine has not removed a container yet.", retry_after=1.0)

    async def get(self, key: InstanceKey) -> Standing | None:
        """Asks the engine."""
        try:
            return await self._shown(key)
        except DockerError as error:
            if error.status == 404:
                return None
            raise EngineUnavailable("The engine could not tell of a container.") from error

    async def list_all(self) -> list[Standing]:
        """Asks the engine for all containers with our label, and for each that is not as it was."""
        rows = await self._rows()
        members: dict[str, set[InstanceKey]] = {}
        for key, row in rows:
            members.setdefault(row["HostConfig"]["NetworkMode"], set()).add(key)
        if not self._found:
            await self._networks.find(members)
            # Without a subnet each instance that needs one says so itself.
            with contextlib.suppress(EngineRefused):
                await self._networks.prepare()
            cores = max(1, (await self.node()).cpu_millis // 1000)
            self._starting = asyncio.Semaphore(_STARTS_PER_CORE * cores)
            self._found = True
        slots = asyncio.Semaphore(8)

        async def one(key: InstanceKey, row: dict[str, Any]) -> Standing | None:
            self._ids[key] = row["Id"]
            if (standing := self._sightings.as_listed(key, row)) is not None:
                return standing
            async with slots:
                return await self.get(key)

        standings = await asyncio.gather(*(one(key, row) for key, row in rows))
        return [standing for standing in standings if standing is not None]

    async def _rows(self, *labels: str) -> list[tuple[InstanceKey, dict[str, Any]]]:
        wanted = [f"{LABEL_INSTALLATION}={self._policy.installation}", *labels]
        async with told(_LONG):
            found = await self._docker.containers.list(
                all="true", filters=json.dumps({"label": wanted})
            )
        rows = [container._container for container in found]  # noqa: SLF001 - its only way out
        return [(key, row) for row in rows if (key := key_of(row["Labels"])) is not None]

    async def events(self) -> AsyncGenerator[RuntimeEvent, None]:
        """The engine's own events, with a new connection whenever one ends."""
        stream = engine_events(self._docker, self._policy.installation, self._ends)
        async with aclosing(stream) as events:
            async for event in events:
                if isinstance(event, EngineAvailable):
                    # It may have come back with other settings.
                    self._found = False
                    self._sightings.forget_all()
                else:
                    self._sightings.forget(event.key)
                yield event

    def targets(self, standing: Standing, container_port: int) -> list[Target]:
        """The container's own address where it can be local, then the published port."""
        targets = []
        if self._is_local and standing.address:
            targets.append(Target(standing.address, container_port, direct=True))
        targets += [
            Target(self._probe_host, port.host_port, direct=False)
            for port in standing.ports
            if port.container_port == container_port and port.protocol is Protocol.TCP
        ]
        return targets

    def log_source(self, standing: Standing) -> LogSource:
        """The engine's own stream of the container's log."""
        began = standing.start_time
        return LogSource(
            kind="docker",
            instance=self._ids.get(standing.key, standing.name),
            address=self._url,
            running=standing.running,
            started_ns=_nanoseconds(standing.run) if began else 0,
        )

    async def stats(self, key: InstanceKey) -> AsyncGenerator[Usage, None]:
        """One stream of the engine for each reader; it has a sample each second."""
        async with aclosing(container_usage(self._docker, self._name(key))) as usages:
            async for usage in usages:
                yield usage

    async def node(self) -> Capacity:
        """Asks the engine."""
        async with told(_SHORT):
            about = await self._docker.system.info()
        return Capacity(
            runtime_version=f"Docker {about.get('ServerVersion', '')}".strip(),
            cpu_millis=int(about["NCPU"]) * 1000,
            memory_bytes=int(about["MemTotal"]),
            disk_bytes=disk_of(about.get("DockerRootDir", "")),
            runs_images=True,
            runs_commands=False,
            admins_only=False,
            isolation="Each instance is a container of its own: its own file system, processes and "
            "network, few capabilities, no new privileges, limits on processor, memory and "
            "processes, no traffic to other instances. They share the kernel of the host.",
        )

    async def pull(self, image: str) -> AsyncGenerator[Progress, None]:
        """Has the engine fetch an image, unless it has it: that needs no registry."""
        async with aclosing(fetched(self._docker, image)) as steps:
            async for step in steps:
                yield step

    async def close(self) -> None:
        """Removes networks that nobody is on, and closes the connections."""
        await self._networks.tidy()
        await self._docker.close()
        await self._docker.connector.close()

    def _name(self, key: InstanceKey) -> str:
        return self._ids.get(key) or self._policy.container_name(key)

    async def _required(self, key: InstanceKey) -> Standing:
        standing = await self.get(key)
        if standing is None:
            raise _not_found(key)
        return standing

    async def _shown(self, key: InstanceKey, identity: str = "") -> Standing:
        async with asked(_SHORT):
            shown = await self._docker.containers.container(identity or self._name(key)).show()
        return self._noted(key, shown)

    def _noted(self, key: InstanceKey, shown: dict[str, Any]) -> Standing:
        labels = shown["Config"]["Labels"] or {}
        if labels.get(LABEL_INSTALLATION) != self._policy.installation or key_of(labels) != key:
            # A stranger's, under a name like ours.
            raise DockerError(404, "no such container of this installation")
        if shown["State"].get("Status") in _GOING:
            # Whoever removes it by force kills it first: that is no end by itself.
            raise DockerError(404, "no such container: it is being removed")
        self._ids[key] = shown["Id"]
        standing = standing_of(key, shown)
        if standing.out_of_memory and self._ends.was_killed(shown["Id"]):
            standing = replace(standing, out_of_memory=False)
        self._sightings.note(shown["Id"], standing)
        return standing


def _says_no_network(error: DockerError) -> bool:
    text = error.message.lower()
    return error.status == 404 and "network" in text and "not found" in text


def _not_found(key: InstanceKey) -> InstanceNotFound:
    return InstanceNotFound(
        f"There is no instance {key.generation} of {key.allocation}; ask for it to be made.",
        allocation=key.allocation,
    )


def _nanoseconds(text: str) -> int:
    """The engine's time in nanoseconds since 1970."""
    seconds, _, fraction = text.rstrip("Z").partition(".")
    whole = int(datetime.fromisoformat(seconds).replace(tzinfo=UTC).timestamp())
    return whole * 1_000_000_000 + int(fraction[:9].ljust(9, "0") or 0)
