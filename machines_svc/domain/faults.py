"""How this service fails."""

from __future__ import annotations

from chassis.faults import AlreadyExists, Conflict, Invalid, NotFound, WrongState


class MachineNotFound(NotFound):
    """There is no such machine, or the caller may not see it."""

    reason = "MACHINE_NOT_FOUND"


class MachineExists(AlreadyExists):
    """A machine of that name exists."""

    reason = "MACHINE_EXISTS"


class MachineActive(WrongState):
    """The machine is in the catalogue."""

    reason = "MACHINE_ACTIVE"


class MachineNotActive(WrongState):
    """The machine is not in the catalogue."""

    reason = "MACHINE_NOT_ACTIVE"


class MachineChanged(Conflict):
    """The machine was changed since it was read."""

    reason = "ETAG_STALE"


class SpecInvalid(Invalid):
    """What is said of the machine contradicts itself, or cannot be run."""

    reason = "REQUEST_INVALID"


class VariableInvalid(Invalid):
    """A variable does not fit its own rules, or breaks ours."""

    reason = "VARIABLE_INVALID"


def no_machine(name: str) -> MachineNotFound:
    """The fault for a name that no machine has, or none that the caller may see."""
    return MachineNotFound(f"There is no machine {name!r}; list the machines.", machine=name)


def changed_since(name: str) -> MachineChanged:
    """The fault for a change that was made from an older version."""
    return MachineChanged(
        f"{name} was changed since it was read; read it again, apply the change to what is there "
        "now, and send that etag.",
        machine=name,
    )


def machine_exists(name: str) -> MachineExists:
    """The fault for a name that a machine has already."""
    return MachineExists(
        f"There is a machine {name!r} already; choose another machine_id.", machine=name
    )
