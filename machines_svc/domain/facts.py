"""What has happened to machines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from machines_svc.domain.machine import Machine


@dataclass(frozen=True, slots=True)
class MachineCreated:
    """Somebody, or the first start, has added a machine."""

    machine: Machine


@dataclass(frozen=True, slots=True)
class MachineUpdated:
    """Somebody has changed a machine."""

    machine: Machine


@dataclass(frozen=True, slots=True)
class MachineSubmitted:
    """A publisher has asked for a draft to be published."""

    machine: Machine


@dataclass(frozen=True, slots=True)
class MachineRejected:
    """An admin has refused to publish a draft."""

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
    """Somebody has deleted a machine.

    Attributes:
        machine: as it was last.
        time: when, UTC in milliseconds.
    """

    machine: Machine
    time: datetime


Fact = (
    MachineCreated
    | MachineUpdated
    | MachineSubmitted
    | MachineRejected
    | MachinePublished
    | MachineRetired
    | MachineDeleted
)
