"""The volumes of processes: folders beside those of instances, one in another for each allocation."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Set as AbstractSet
from pathlib import Path

from docker_svc.domain import InstanceKey, InstanceSpec, Standing

_NAME = re.compile(r"([a-z0-9]{4,32})-volumes")


class VolumeFolders:
    """`<data folder>/instances/7f3k2m9q-volumes/1` and so on."""

    def __init__(self, root: Path) -> None:
        """Keeps the folder of the instances' folders."""
        self._root = root

    def folder(self, allocation: str) -> Path:
        """Where the volumes of an allocation are, or would be."""
        return self._root / f"{allocation.rpartition('/')[2]}-volumes"

    def of(self, allocation: str, spec: InstanceSpec) -> list[tuple[Path, Path]]:
        """The folder of each volume of a spec, and where its program would have it."""
        folder = self.folder(allocation)
        return [(folder / str(n), folder / str(n)) for n, _ in enumerate(spec.volumes, 1)]

    def make(self, allocation: str, spec: InstanceSpec, uid: int) -> None:
        """Makes those that are not there.

        Args:
            allocation: whose.
            spec: how many.
            uid: who owns them; 0 for the present user.

        Raises:
            OSError: they cannot be made.
        """
        if not spec.volumes:
            return
        folder = self.folder(allocation)
        folder.mkdir(mode=0o711, exist_ok=True)
        for number, _ in enumerate(spec.volumes, 1):
            volume = folder / str(number)
            volume.mkdir(mode=0o700, exist_ok=True)
            if uid:
                os.chown(volume, uid, uid)

    def owner(self, allocation: str) -> int:
        """The user who has the volumes of an allocation; 0 where it has none."""
        try:
            return (self.folder(allocation) / "1").stat().st_uid
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def owners(self) -> set[int]:
        """The users who have volumes, also while no instance runs."""
        return {self.owner(allocation) for allocation in self._allocations()}

    def of_nobody(self, known: AbstractSet[str]) -> list[Standing]:
        """What is told of volumes of allocations that are not known."""
        return [
            Standing(InstanceKey(allocation, 0), self.folder(allocation).name, running=False)
            for allocation in self._allocations()
            if allocation not in known
        ]

    def _allocations(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            names = (_NAME.fullmatch(entry.name) for entry in os.scandir(self._root))
            return [f"allocations/{name[1]}" for name in names if name]
        return []
