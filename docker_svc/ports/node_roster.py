"""Which nodes there are, and which of them take instances."""

from __future__ import annotations

from typing import Protocol

from docker_svc.domain.node import NodeStanding


class NodeRoster(Protocol):
    """The nodes that instances run on. What is said here is kept: it outlasts this process."""

    async def list_all(self) -> list[NodeStanding]:
        """Every node, by its name.

        Raises:
            EngineUnavailable: whoever knows them does not answer.
        """
        ...

    async def drain(self, name: str, reason: str) -> None:
        """Has a node take no more instances. A cluster moves those that it has; a host keeps them.

        Raises:
            NodeNotFound: there is none of that name.
            EngineUnavailable: nothing was changed.
        """
        ...

    async def activate(self, name: str) -> None:
        """Has a node take instances again.

        Raises:
            NodeNotFound: there is none of that name.
            EngineUnavailable: nothing was changed.
        """
        ...
