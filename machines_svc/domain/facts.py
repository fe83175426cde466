"""What has happened to machines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from machines_svc.domain.machine import Machine


@dataclass(frozen=True, slots=True)
class MachineCreated:
    """An admin, or the first start, has added a machine."""

    machine: Machine


@dataclass(frozen=True, slots=True)
class MachineUpdated:
    """An admin has changed a machine."""

    machine: Machine


@dataclass(frozen=True, slots=True)
class MachinePublished:
    """An admin has put a machine into the catalogue."""

    machine: Machine


@dataclass(frozen=True, slots=True)
class MachineRetired:
    """An admin has taken a machine out of the catalogue."""

    machine: Machine


@dataclass(frozen=True, slots=True)
class MachineDeleted:
    """An admin has deleted a machine.

    Attributes:
        machine: as it was last.
        time: when, UTC in milliseconds.
    """

    machine: Machine
    time: datetime


Fact = MachineCreated | MachineUpdated | MachinePublished | MachineRetired | MachineDeleted
