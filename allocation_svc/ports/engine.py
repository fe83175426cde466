"""What runs instances."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from allocation_svc.domain.instance import Instance, InstanceSpec, Limits, Node
from allocation_svc.domain.node import NodeSeen


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """What the engine tells.

    Attributes:
        instance: an instance as it is now; None for another kind of event.
        list_again: whether changes may have been missed.
        available: whether the engine answers; None where the event does not say.
    """

    instance: Instance | None = None
    list_again: bool = False
    available: bool | None = None


class Engine(Protocol):
    """What runs instances. Every call may be made again and has one effect for each generation.

    Every method may raise Unavailable (ENGINE_UNAVAILABLE while the engine is away) and
    DeadlineExceeded.
    """

    async def ensure(self, allocation: str, generation: int, spec: InstanceSpec) -> Instance:
        """Makes an instance and starts it, unless it is there. Answers once that has begun.

        Raises:
            Conflict: GENERATION_STALE, PORT_TAKEN.
            Fault: it cannot be made.
        """
        ...

    async def start(self, allocation: str, generation: int, limits: Limits) -> Instance:
        """Starts the program of an instance that has ended, which then may use so much.

        Raises:
            NotFound: INSTANCE_NOT_FOUND.
            Conflict: GENERATION_STALE, PORT_TAKEN.
        """
        ...

    async def stop(self, allocation: str, generation: int) -> Instance:
        """Stops the program of an instance; answers once that has begun.

        Raises:
            NotFound: INSTANCE_NOT_FOUND.
            Conflict: GENERATION_STALE.
        """
        ...

    async def restart(
        self, allocation: str, generation: int, incarnation: int, limits: Limits
    ) -> Instance:
        """Ends the named incarnation of the program, if it still runs, and starts the next.

        That one may use so much.

        Raises:
            NotFound: INSTANCE_NOT_FOUND.
            Conflict: GENERATION_STALE.
        """
        ...

    async def remove(self, allocation: str, generation: int) -> None:
        """Removes every instance of an allocation up to the generation; answers once they are gone.

        Raises:
            Conflict: GENERATION_STALE.
        """
        ...

    async def look(self, allocation: str) -> Instance:
        """The instance of an allocation; MISSING where there is none."""
        ...

    async def instances(self) -> Sequence[Instance]:
        """Every instance that is ours."""
        ...

    def events(self) -> AsyncIterator[EngineEvent]:
        """What changes, from now on: first `list_again`, then whether the engine answers.

        Raises:
            Fault: the stream has ended; open it again.
        """
        ...

    async def last_lines(self, allocation: str, generation: int, lines: int) -> tuple[str, ...]:
        """The last lines that an instance wrote, oldest first; none where it wrote nothing.

        Args:
            allocation: whose instance.
            generation: which of its instances.
            lines: how many at most.
        """
        ...

    async def nodes(self) -> Sequence[NodeSeen]:
        """The nodes that instances run on, as they are now; one where there is no cluster."""
        ...

    async def drain_node(self, name: str, reason: str) -> None:
        """Has a node take no more instances; a cluster moves those that it has.

        Raises:
            NotFound: NODE_NOT_FOUND.
        """
        ...

    async def activate_node(self, name: str) -> None:
        """Has a node take instances again.

        Raises:
            NotFound: NODE_NOT_FOUND.
        """
        ...

    async def node(self) -> Node:
        """What the node is and can."""
        ...
