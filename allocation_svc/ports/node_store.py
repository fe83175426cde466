"""Where it is kept what is known of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from allocation_svc.domain.node import Node, NodeFact


class NodeStore(Protocol):
    """Keeps nodes, with the facts of each change: both or neither.

    Every method may raise Unavailable while the store does not answer.
    """

    async def all(self) -> Sequence[Node]:
        """Every node, by name."""
        ...

    async def find(self, name: str) -> Node | None:
        """One node; None where there is none."""
        ...

    async def put(
        self, node: Node, facts: Sequence[NodeFact] = (), owners: Sequence[str] = (), count: int = 0
    ) -> Node | None:
        """Keeps a node, if the kept one has its version.

        Args:
            node: as it is now, with the version that was read; 0 for a new one.
            facts: what has happened to it, in order.
            owners: of the allocations that are there, for NodeDraining.
            count: how many allocations are there.

        Returns:
            As it is kept; None where another change was faster.
        """
        ...

    async def remove(self, name: str) -> None:
        """Forgets a node that has left; where there is none, it does nothing."""
        ...
