"""The networks of an installation's containers: none lets them reach each other."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from typing import Any

from aiodocker import Docker
from aiodocker.exceptions import DockerError
from aiodocker.networks import DockerNetwork

from docker_svc.adapters.container_runtime.docker_config import (
    LABEL_INSTALLATION,
    MEMBERS_PER_NETWORK,
    ContainerPolicy,
)
from docker_svc.adapters.container_runtime.docker_engine import asked, told
from docker_svc.domain import EngineRefused, EngineUnavailable, InstanceKey

_ENGINES_OWN = "bridge"
_PREFIX = 23  # 510 addresses, one of them the gateway's
_SECONDS = 30.0
_TIDY_SECONDS = 3.0


class SharedNetworks:
    """Gives each container a place on a bridge with fewer than 500 members.

    On the engine's own where that keeps containers apart (`"icc": false` in the engine's settings): on any
    other the engine starts a resolver of names for each container, for a tenth of a second, and those that
    cannot reach each other need no names.

    Args:
        docker: the engine.
        policy: for the configuration of networks.
        subnets: from which /23s are taken, `10.213.0.0/16`.
    """

    def __init__(self, docker: Docker, policy: ContainerPolicy, subnets: list[str]) -> None:
        self._docker = docker
        self._policy = policy
        self._subnets = [ipaddress.IPv4Network(subnet) for subnet in subnets]
        self._members: dict[str, set[InstanceKey]] = {}
        self._making = asyncio.Lock()

    async def find(self, members: dict[str, set[InstanceKey]]) -> None:
        """Learns which networks there are, and takes over who is on which.

        Args:
            members: containers by the name of their network, as the engine lists them.
        """
        label = f"{LABEL_INSTALLATION}={self._policy.installation}"
        async with told(_SECONDS):
            found = await self._docker.networks.list(filters={"label": label})
            engines_own = await self._docker.networks.list(filters={"name": [_ENGINES_OWN]})
        names = [network["Name"] for network in engines_own if _keeps_apart(network)]
        names += sorted(network["Name"] for network in found)
        self._members = {name: set(members.get(name, ())) for name in names}

    async def place(self, key: InstanceKey) -> str:
        """The name of a network for a container that is about to be made.

        Raises:
            EngineRefused: no subnet is left.
            EngineUnavailable: the engine does not answer.
        """
        for name, members in self._members.items():
            if key in members:
                return name
        async with self._making:
            for name, members in self._members.items():
                if len(members) < MEMBERS_PER_NETWORK:
                    members.add(key)
                    return name
            name = await self._make()
            self._members[name] = {key}
            return name

    async def prepare(self) -> None:
        """Makes the first network ahead of its use: it costs the engine 200 ms."""
        async with self._making:
            if not self._members:
                self._members[await self._make()] = set()

    def leave(self, key: InstanceKey) -> None:
        """Forgets a container that was removed."""
        for members in self._members.values():
            members.discard(key)

    def forget(self, name: str) -> None:
        """Forgets a network that the engine no longer has."""
        self._members.pop(name, None)

    async def tidy(self) -> None:
        """Removes networks that nobody is on, so that a data folder that is deleted leaves none.

        Only those that were known and empty all the time: an ended container counts as being on one.
        """
        for name in [name for name, members in self._members.items() if not members]:
            if name == _ENGINES_OWN:
                continue
            with contextlib.suppress(DockerError, EngineUnavailable):
                async with asked(_TIDY_SECONDS):
                    network = DockerNetwork(self._docker, name)  # type: ignore[no-untyped-call]
                    await network.delete()
                del self._members[name]

    async def _make(self) -> str:
        number = 1
        while (name := f"allocator-{self._policy.installation}-net-{number}") in self._members:
            number += 1
        for pool in self._subnets:
            pieces = pool.subnets(new_prefix=_PREFIX) if pool.prefixlen < _PREFIX else [pool]
            for subnet in pieces:
                try:
                    async with asked(_SECONDS):
                        await self._docker.networks.create(
                            self._policy.network_config(name, str(subnet))
                        )
                except DockerError as error:
                    if error.status == 409:
                        return name
                    if "overlap" not in error.message.lower():
                        raise EngineRefused(
                            f"The engine refused to make a network: {error.message}"
                        ) from error
                else:
                    return name
        raise EngineRefused(
            "No subnet is left for containers; an admin can add one to ALLOCATOR_DOCKER_SUBNETS."
        )


def _keeps_apart(network: dict[str, Any]) -> bool:
    """Whether it is the engine's own, and its members cannot reach each other."""
    options = network.get("Options") or {}
    return (
        network["Name"] == _ENGINES_OWN
        and options.get("com.docker.network.bridge.enable_icc") == "false"
    )
