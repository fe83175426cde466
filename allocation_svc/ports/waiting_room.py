"""Who waits for room, in which order, and what there is to be had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from allocation_svc.domain.capacity import Amounts
from allocation_svc.domain.queue_place import QueuePlace
from allocation_svc.domain.quota import Overrides


@dataclass(frozen=True, slots=True)
class Waiting:
    """One that waits.

    Attributes:
        allocation: its name.
        machine: its machine.
        waiting_for: the reason why there was no room when that was last looked at.
    """

    allocation: str
    machine: str
    waiting_for: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What is held at a moment.

    Attributes:
        of_owner: by a person.
        of_machine: of a machine's stock.
        of_node: of a node.
        ports: how many ports of the node are leased or rest, by the name of the protocol.
        roles: of the person, as they were when they last asked.
        overrides: what an admin has set for the person.
        others_wait: whether room that becomes free is somebody else's.
        next_place: where the next request of the person would stand in the queue.
    """

    of_owner: Amounts
    of_machine: Amounts
    of_node: Amounts
    ports: Mapping[str, int]
    roles: frozenset[str]
    overrides: Overrides
    others_wait: bool
    next_place: QueuePlace


class WaitingRoom(Protocol):
    """The queue; allocations enter and leave it with a change of theirs (`AllocationStore`).

    It is fair over people: each one's next request comes after one of everybody else's who waits,
    however many they have. Nobody is overtaken by who comes later, unless an admin says so, or what is
    waited for is the stock of one machine only. Every method may raise Unavailable.
    """

    async def waiting(self) -> Sequence[Waiting]:
        """All that wait, the next one first."""
        ...

    async def places(self) -> Mapping[str, QueuePlace]:
        """Where each stands that waits, by the name of the allocation."""
        ...

    async def place(self, allocation: str) -> QueuePlace | None:
        """Where one stands; None where it does not wait."""
        ...

    async def prioritize(self, allocation: str, position: int) -> bool:
        """Moves one to a position; at most to the last.

        Args:
            allocation: its name.
            position: from 1: the next one.

        Returns:
            Whether it waits.
        """
        ...

    async def waits_for(self, allocation: str, reason: str) -> None:
        """Remembers why there is no room for one."""
        ...

    async def standing(self, owner: str, machine: str, node: str) -> Standing:
        """What is held now of a person's quota, a machine's stock and a node."""
        ...
