"""Whether the runtime of this installation can run a machine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from machines_svc.domain.machine import MachineSpec


class Availability(Enum):
    """Whether a machine can be run here; the values are the names in the contract."""

    UNKNOWN = "AVAILABILITY_UNSPECIFIED"
    RUNNABLE = "RUNNABLE"
    NEEDS_CONTAINER_RUNTIME = "NEEDS_CONTAINER_RUNTIME"
    NEEDS_PROCESS_RUNTIME = "NEEDS_PROCESS_RUNTIME"


@dataclass(frozen=True, slots=True)
class RuntimeAbilities:
    """What a runtime can run.

    Attributes:
        runs_images: machines with an image.
        runs_commands: machines that have only a command, and the commands of others that do not
            need their image.
    """

    runs_images: bool
    runs_commands: bool


def availability_of(spec: MachineSpec, abilities: RuntimeAbilities | None) -> Availability:
    """Whether the runtime can run the machine.

    Args:
        spec: the machine.
        abilities: the runtime's; None where it cannot be asked at present.
    """
    if abilities is None:
        return Availability.UNKNOWN
    by_command = bool(spec.command) and not spec.needs_image
    if (spec.image and abilities.runs_images) or (by_command and abilities.runs_commands):
        return Availability.RUNNABLE
    if spec.image:
        return Availability.NEEDS_CONTAINER_RUNTIME
    return Availability.NEEDS_PROCESS_RUNTIME
