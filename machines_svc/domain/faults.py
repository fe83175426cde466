"""How this service fails."""

from __future__ import annotations

from chassis.faults import (
    AlreadyExists,
    Conflict,
    Exhausted,
    Forbidden,
    Invalid,
    NotFound,
    WrongState,
)


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


class MachineVersionNotFound(NotFound):
    """The machine has no such version, or it is not kept any more."""

    reason = "MACHINE_VERSION_NOT_FOUND"


class MachineNotDraft(WrongState):
    """Only drafts can be changed by their publisher, and submitted."""

    reason = "MACHINE_NOT_DRAFT"


class MachineNotSubmitted(WrongState):
    """The machine does not wait for an admin."""

    reason = "MACHINE_NOT_SUBMITTED"


class CommandAdminsOnly(Forbidden):
    """Only admins say what command a machine runs."""

    reason = "COMMAND_ADMINS_ONLY"


class DraftsExceeded(Exhausted):
    """The person has as many drafts as one may have."""

    reason = "DRAFTS_EXCEEDED"


class PictureInvalid(Invalid):
    """The picture is not one that is taken."""

    reason = "PICTURE_INVALID"


class PictureNotFound(NotFound):
    """The machine has no such picture."""

    reason = "PICTURE_NOT_FOUND"


class PicturesExhausted(Exhausted):
    """The pictures of the machine were changed too often of late."""

    reason = "PICTURES_EXHAUSTED"


class DefinitionInvalid(Invalid):
    """A document does not describe a machine."""

    reason = "DEFINITION_INVALID"


class MachineChanged(Conflict):
    """The machine was changed since it was read."""

    reason = "ETAG_STALE"


class SpecInvalid(Invalid):
    """What is said of the machine contradicts itself, or cannot be run."""

    reason = "REQUEST_INVALID"


class VariableInvalid(Invalid):
    """A variable does not fit its own rules, or breaks ours."""

    reason = "VARIABLE_INVALID"


class VolumeInvalid(Invalid):
    """A volume is not where one may be."""

    reason = "VOLUME_INVALID"


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


def no_version(name: str, version: int) -> MachineVersionNotFound:
    """The fault for a version that is not kept, or that the caller may not see."""
    return MachineVersionNotFound(
        f"{name} has no version {version}, or it is not kept any more; list its versions.",
        machine=name,
        version=str(version),
    )
