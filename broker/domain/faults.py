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


class DeadLetterNotFound(NotFound):
    """There is no such dead letter."""

    reason = "DEAD_LETTER_NOT_FOUND"


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


def no_letter(name: str) -> DeadLetterNotFound:
    """The fault for a dead letter that is not there."""
    return DeadLetterNotFound(
        f"There is no {name!r}: it was taken in or discarded meanwhile; list them again.", name=name
    )
