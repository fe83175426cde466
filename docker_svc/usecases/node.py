"""The node: what it is, what it has, and images fetched ahead."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from docker_svc.domain import Capacity, Progress
from docker_svc.domain.node import NodeStanding
from docker_svc.ports.container_runtime import ContainerRuntime
from docker_svc.ports.node_roster import NodeRoster
from docker_svc.usecases.watching import Watching


class Node:
    """The node that instances run on.

    Attributes:
        name: of the node.
        runtime_name: what runs instances there.
        public_host: what people are shown for published ports.
    """

    def __init__(
        self,
        runtime: ContainerRuntime,
        name: str,
        public_host: str,
        roster: NodeRoster,
        watching: Watching,
    ) -> None:
        """Keeps the names, and whom to ask.

        Args:
            runtime: runs the instances.
            name: of the node.
            public_host: what people are shown for published ports.
            roster: the nodes of the cluster, where the runtime has several; else this one.
            watching: tells others that nodes have changed.
        """
        self._runtime = runtime
        self._roster = roster
        self._watching = watching
        self.name = name
        self.runtime_name = runtime.name
        self.public_host = public_host

    async def capacity(self) -> Capacity:
        """What the node has.

        Raises:
            EngineUnavailable: the engine does not answer.
        """
        return await self._runtime.node()

    async def is_drained(self) -> bool:
        """Whether no node takes new instances.

        Raises:
            EngineUnavailable: the engine does not answer.
        """
        nodes = await self._roster.list_all()
        return bool(nodes) and all(node.drained for node in nodes)

    async def list_all(self) -> Sequence[NodeStanding]:
        """The nodes that instances run on.

        Raises:
            EngineUnavailable: the engine does not answer.
        """
        return await self._roster.list_all()

    async def drain(self, name: str, reason: str) -> None:
        """Has a node take no more instances.

        Raises:
            NodeNotFound: there is none.
            EngineUnavailable: nothing was changed.
        """
        await self._roster.drain(name, reason)
        self._watching.tell_again()

    async def activate(self, name: str) -> None:
        """Has a node take instances again.

        Raises:
            NodeNotFound: there is none.
            EngineUnavailable: nothing was changed.
        """
        await self._roster.activate(name)
        self._watching.tell_again()

    async def pull(self, image: str) -> AsyncGenerator[Progress, None]:
        """Fetches an image ahead of its use.

        Raises:
            ImageNotFound, NotRunnable, EngineUnavailable: it was not fetched.
        """
        async with aclosing(self._runtime.pull(image)) as steps:
            async for step in steps:
                yield step
