"""How this service fails."""

from __future__ import annotations

from broker.domain.entry import Kind
from chassis.faults import NotFound, Unavailable


class UserNotFound(NotFound):
    """There is no such person."""

    reason = "USER_NOT_FOUND"


class MachineNotFound(NotFound):
    """There is no such machine."""

    reason = "MACHINE_NOT_FOUND"


class AllocationNotFound(NotFound):
    """There is no such allocation."""

    reason = "ALLOCATION_NOT_FOUND"


class OwnerBehind(Unavailable):
    """Even the owner does not have the version that was asked for."""


_NOT_FOUND: dict[Kind, type[NotFound]] = {
    Kind.USER: UserNotFound,
    Kind.MACHINE: MachineNotFound,
    Kind.ALLOCATION: AllocationNotFound,
}


def not_found(kind: Kind, name: str) -> NotFound:
    """The fault for a name that nothing has."""
    return _NOT_FOUND[kind](f"There is no {name!r}; check the name.", name=name)
