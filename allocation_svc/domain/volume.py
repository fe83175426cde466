"""What an allocation keeps, and what outlasts it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from allocation_svc.domain.spoken import of_bytes

MIB = 1 << 20


class VolumeState(Enum):
    """What is so of a volume; the values are the names in the contract."""

    UPLOADING = "UPLOADING"
    IN_USE = "IN_USE"
    DETACHED = "DETACHED"
    DELETING = "DELETING"
    LOST = "LOST"


class VolumeFact(Enum):
    """What has happened to a volume; the values are the names of the contract's messages."""

    CREATED = "VolumeCreated"
    DETACHED = "VolumeDetached"
    DELETED = "VolumeDeleted"


@dataclass(frozen=True, slots=True)
class AllocationVolume:
    """Which volume an allocation has at a path of its machine."""

    path: str
    volume: str


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume.

    Attributes:
        name: `volumes/{volume}`.
        uid: a UUID that is never used twice.
        owner: `users/{user}`.
        display_name: the owner's own name for it.
        machine: that it was made for; empty where it was uploaded.
        path: where its program finds it, or the last one found it.
        size_limit_mib: how much it may hold.
        node: where it is.
        allocation: that has it; empty where none does.
        state: what is so.
        create_time: when it was made.
        update_time: when it last changed, or was last written to while it is uploaded.
        size_bytes: how much it held when it was last measured.
        measure_time: when that was; None if it never was.
        version: counts its changes, from 1.
    """

    name: str
    uid: str
    owner: str
    display_name: str
    machine: str
    path: str
    size_limit_mib: int
    node: str
    allocation: str
    state: VolumeState
    create_time: datetime
    update_time: datetime
    size_bytes: int = 0
    measure_time: datetime | None = None
    version: int = 1

    @property
    def identity(self) -> str:
        """The last part of its name, by which the engine knows it: `7f3k2m9q-v1`."""
        return self.name.rpartition("/")[2]

    @property
    def limit_bytes(self) -> int:
        """How much it may hold."""
        return self.size_limit_mib * MIB

    @property
    def is_full(self) -> bool:
        """Whether it holds more than it may."""
        return self.size_bytes > self.limit_bytes


def volume_name(allocation: str, place: int) -> str:
    """The name of the volume that is made for the n-th path of an allocation's machine, from 1."""
    return f"volumes/{allocation.rpartition('/')[2]}-v{place}"


def full_message(volume: Volume) -> str:
    """Why an allocation does not run whose volume is full."""
    return (
        f"Its volume {volume.name} at {volume.path} holds {of_bytes(volume.size_bytes)} and may hold "
        f"{of_bytes(volume.limit_bytes)}; ask an admin to raise that limit, or download what is in it."
    )
