"""Where allocations are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from allocation_svc.domain.allocation import Allocation, State
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.machine import MachinePort, Plan
from allocation_svc.domain.room import ANY_ROOM, Room, Wait
from allocation_svc.domain.usage import Truth
from chassis.listing import Condition, Once


@dataclass(frozen=True, slots=True)
class Claim:
    """All that renting takes, to be granted or refused as one.

    Attributes:
        allocation: as it begins, without endpoints: the store leases the ports.
        plan: how its instances are made.
        sealed_secrets: the values of its secret variables, sealed; empty where there are none.
        ports: what the machine listens on; one lease each.
        host: what people are shown as the host of the leased ports.
        room: what the owner may have and the node has to give.
        stock: how many of the machine there are; 0 for no limit.
        wait: that it waits where there is no room; None if it is refused then.
        once: the request, if it must have one effect.
    """

    allocation: Allocation
    plan: Plan
    sealed_secrets: bytes = field(repr=False, default=b"")
    ports: tuple[MachinePort, ...] = ()
    host: str = ""
    room: Room = ANY_ROOM
    stock: int = 0
    wait: Wait | None = None
    once: Once | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which allocations a list is of.

    Attributes:
        owner: whose; empty for everybody's.
        conditions: on `state`, `desired_state` and `machine`, with `=` and `!=`, all to be met.
            Without one on `state`, deleted ones are left out.
    """

    owner: str = ""
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Existing:
    """What is told of an allocation without reading all of it.

    Attributes:
        name: `allocations/{allocation}`.
        version: counts its changes.
        state: what is so.
    """

    name: str
    version: int
    state: State


@dataclass(frozen=True, slots=True)
class Remaking:
    """How instances of an allocation are made from now on.

    Attributes:
        plan: see `Claim`.
        sealed_secrets: see `Claim`; None for those that it has.
    """

    plan: Plan
    sealed_secrets: bytes | None = field(repr=False, default=None)


class AllocationStore(Protocol):
    """Keeps allocations, with their port leases, their usage, and the facts of each change.

    A change, what it means for the usage, and its fact are kept together or not at all; facts reach the bus later, in the order of
    the changes of an allocation, at least once. Times are UTC in milliseconds. Text is compared by
    code points. Secrets are kept as they come, sealed, and only `sealed_secrets` gives them back.
    Every method may raise Unavailable while the store does not answer.
    """

    async def admit(self, claim: Claim) -> Allocation:
        """Keeps a new allocation with a leased port for each port of its machine: all or none.

        However many ask at the same time, an owner never has more than the quota, a node never gives
        more than its capacity, a machine no more than its stock, and no (node, protocol, port) has two
        leases. What an allocation holds of these is `Allocation.holds`. Nobody overtakes those who wait
        for room.

        Returns:
            The allocation with its endpoints; or PENDING with its place in the queue, where there is no
            room and the claim waits: it has its quota then, and nothing else. Where the same request was
            answered within 24 hours, that answer, and nothing else happens.

        Raises:
            NeverFits: it can never run.
            QuotaExceeded, QueueFull: it cannot be, nor wait.
            CapacityExhausted, OthersWait, StockExhausted, PortsExhausted: there is no room.
            Conflict: REQUEST_ID_REUSED, the request id was used for another request.
        """
        ...

    async def answered(self, once: Once) -> Allocation | None:
        """What the same request was answered within 24 hours; None if it was not.

        Raises:
            Conflict: REQUEST_ID_REUSED, the request id was used for another request.
        """
        ...

    async def find(self, name: str, owner: str = "") -> Allocation | None:
        """One allocation; None if there is none of that name, or if it is not the owner's.

        Args:
            name: `allocations/{allocation}`.
            owner: whose it must be; empty for anybody's.
        """
        ...

    async def page(
        self, selection: Selection, size: int, after: tuple[Any, ...] | None = None
    ) -> Sequence[Allocation]:
        """Allocations, newest first, those of one millisecond by descending name.

        Args:
            selection: which.
            size: how many at most.
            after: the (create_time, name) after which to begin; None for the newest.
        """
        ...

    async def existing(self, size: int, after: str = "") -> Sequence[Existing]:
        """What there is of allocations that are not deleted, by name: cheap for ten thousand of them.

        Args:
            size: how many at most.
            after: the name after which to begin.
        """
        ...

    async def several(self, names: Sequence[str]) -> Sequence[Allocation]:
        """Allocations of these names, in no order; those that there are not are left out.

        Args:
            names: some hundreds at most.
        """
        ...

    async def plan(self, name: str) -> tuple[Plan, bytes] | None:
        """How instances of an allocation are made, and its sealed secrets; None if there is none."""
        ...

    async def replace(
        self,
        after: Allocation,
        fact: Fact | None = None,
        *,
        once: Once | None = None,
        next_ports: bool = False,
        room: Room | None = None,
        truth: Truth | None = None,
        remaking: Remaking | None = None,
    ) -> Allocation | None:
        """Writes a changed allocation down, if the kept one has its version: one compare-and-set.

        What it holds is counted with the change, and one that becomes PENDING gets its place in the
        queue. Endpoints whose port is 0 get a leased one. Leases are given back, and rest for a while,
        when it becomes DELETED; those of `Allocation.leaving` once it has no former instance.

        Args:
            after: the changed allocation, with the version that was read.
            fact: told to others with the change; None if only the new state is.
            once: the request that this answers, if it must have one effect.
            next_ports: whether its ports are exchanged for others that are free; the given-up ones
                rest.
            room: the limits of what it holds more than before; None where that is not looked at.
            truth: what was so while it was UNKNOWN, where the engine tells that now: its usage is told
                like that then.
            remaking: how its instances are made from now on, and with which volumes: those that it
                has not yet are made. None for as before.

        Returns:
            The allocation as it is kept now, with its new version; None if another change was
            faster: read again and decide again.

        Raises:
            PortsExhausted: no port is free; nothing has changed.
            NeverFits, QuotaExceeded, CapacityExhausted, OthersWait, QueueFull: there is no room for what
                it takes more; nothing has changed.
            Conflict: REQUEST_ID_REUSED.
        """
        ...

    async def promote(self, begun: Allocation, room: Room) -> Allocation | None:
        """Admits one that has waited: takes its capacity, stock and ports, and it leaves the queue.

        Args:
            begun: as it shall be, with the version that was read, and without ports if it has none yet.
            room: what its node has to give.

        Returns:
            The allocation as it is kept now; None if another change was faster, or it waits no more.

        Raises:
            NeverFits: the node does not have so much any more.
            CapacityExhausted, StockExhausted, PortsExhausted: there is no room yet. Nothing has changed.
        """
        ...
