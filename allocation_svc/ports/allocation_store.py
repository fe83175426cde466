"""Where allocations are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from allocation_svc.domain.allocation import Allocation
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.machine import MachinePort, Plan
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
        quota: how many allocations the owner may have; None for no limit.
        stock: how many of the machine there are; 0 for no limit.
        once: the request, if it must have one effect.
    """

    allocation: Allocation
    plan: Plan
    sealed_secrets: bytes = field(repr=False, default=b"")
    ports: tuple[MachinePort, ...] = ()
    host: str = ""
    quota: int | None = None
    stock: int = 0
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


class AllocationStore(Protocol):
    """Keeps allocations, with their port leases, their usage, and the facts of each change.

    A change, what it means for the usage, and its fact are kept together or not at all; facts reach the bus later, in the order of
    the changes of an allocation, at least once. Times are UTC in milliseconds. Text is compared by
    code points. Secrets are kept as they come, sealed, and only `sealed_secrets` gives them back.
    Every method may raise Unavailable while the store does not answer.
    """

    async def admit(self, claim: Claim) -> Allocation:
        """Keeps a new allocation with a leased port for each port of its machine: all or none.

        However many ask at the same time, an owner never has more allocations than the quota, a
        machine no more than its stock, and no (node, protocol, port) two leases. Deleted allocations
        count no more.

        Returns:
            The allocation with its endpoints; where the same request was answered within 24 hours,
            that answer, and nothing else happens.

        Raises:
            QuotaExceeded, StockExhausted, PortsExhausted: there is no room.
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

    async def existing(self, size: int, after: str = "") -> Sequence[Allocation]:
        """Allocations that are not deleted, by name.

        Args:
            size: how many at most.
            after: the name after which to begin.
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
        truth: Truth | None = None,
    ) -> Allocation | None:
        """Writes a changed allocation down, if the kept one has its version: one compare-and-set.

        Its leases are given back when it becomes DELETED, and rest for a while.

        Args:
            after: the changed allocation, with the version that was read.
            fact: told to others with the change; None if only the new state is.
            once: the request that this answers, if it must have one effect.
            next_ports: whether its ports are exchanged for others that are free; the given-up ones
                rest.
            truth: what was so while it was UNKNOWN, where the engine tells that now: its usage is told
                like that then.

        Returns:
            The allocation as it is kept now, with its new version; None if another change was
            faster: read again and decide again.

        Raises:
            PortsExhausted: no other port is free; nothing has changed.
            Conflict: REQUEST_ID_REUSED.
        """
        ...
