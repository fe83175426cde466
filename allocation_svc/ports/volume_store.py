"""Where volumes are kept: what they are, not what is in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from allocation_svc.domain.volume import Volume, VolumeFact
from chassis.listing import Condition


@dataclass(frozen=True, slots=True)
class VolumeSelection:
    """Which volumes a list is of.

    Attributes:
        owner: whose; empty for everybody's.
        conditions: on `state`, `allocation` and `machine`, with `=` and `!=`, all to be met.
    """

    owner: str = ""
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Shelf:
    """How much a person may keep detached: how many volumes, and how many bytes in all of them."""

    volumes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Measure:
    """How much a volume held, and when."""

    name: str
    size_bytes: int
    measure_time: datetime


class VolumeStore(Protocol):
    """Keeps volumes. Those of allocations begin and end with them, in the store of allocations.

    A change and its fact are kept together or not at all. Every method may raise Unavailable.
    """

    async def find(self, name: str, owner: str = "") -> Volume | None:
        """One volume; None if there is none of that name, or if it is not the owner's.

        Args:
            name: `volumes/{volume}`.
            owner: whose it must be; empty for anybody's.
        """
        ...

    async def page(
        self, selection: VolumeSelection, size: int, after: tuple[Any, ...] | None = None
    ) -> Sequence[Volume]:
        """Volumes, newest first, those of one millisecond by descending name.

        Args:
            selection: which.
            size: how many at most.
            after: the (create_time, name) after which to begin; None for the newest.
        """
        ...

    async def every(self, size: int, after: str = "") -> Sequence[Volume]:
        """Volumes of everybody, by name.

        Args:
            size: how many at most.
            after: the name after which to begin.
        """
        ...

    async def of_allocation(self, allocation: str) -> Sequence[Volume]:
        """The volumes of an allocation, by path."""
        ...

    async def kept(self, owner: str) -> Shelf:
        """What a person has detached, with what their present uploads may become."""
        ...

    async def begin(self, volume: Volume, shelf: Shelf | None) -> Volume:
        """Keeps a volume that is about to be filled.

        Args:
            volume: UPLOADING; its limit counts as long as it is. 0: all that is left.
            shelf: how much its owner may keep; None for no limit.

        Returns:
            The volume with its limit.

        Raises:
            VolumesExceeded, VolumeTooLarge: there is no room for it.
        """
        ...

    async def replace(self, after: Volume, fact: VolumeFact | None = None) -> Volume | None:
        """Writes a changed volume down, if the kept one has its version.

        Returns:
            The volume as it is kept now; None if another change was faster, or it is gone.
        """
        ...

    async def measured(self, measures: Sequence[Measure]) -> None:
        """Writes down how much volumes hold; versions stay, and so do those that are gone."""
        ...

    async def remove(self, volume: Volume, fact: VolumeFact | None) -> bool:
        """Forgets a volume, if the kept one has its version; says whether it had."""
        ...
