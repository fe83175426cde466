"""What the runtime keeps for allocations."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Protocol

from docker_svc.domain.tar_stream import TarPart


class RuntimeVolumes(Protocol):
    """The volumes of this installation; the weakest guarantee that every adapter keeps.

    * A volume is found by its id, `7f3k2m9q-v1`, also by a later process. Instances make those of their
      spec where they are missing, and leave them when they go.
    * What this installation did not make is never touched or listed.
    * Every method may raise EngineUnavailable.
    """

    async def names(self) -> list[str]:
        """The ids of all volumes."""
        ...

    async def measure(self, volumes: Sequence[str] = ()) -> Mapping[str, int]:
        """The lengths of the files in volumes, added up, in bytes; without those that are not there.

        Args:
            volumes: their ids; none for all.
        """
        ...

    async def remove(self, volume: str) -> None:
        """Removes a volume with all that is in it; where there is none, it does nothing.

        Raises:
            EngineUnavailable: also while an instance has it.
        """
        ...

    def export(self, volume: str) -> AsyncGenerator[TarPart, None]:
        """What is in a volume, as parts of an archive: whatever entries there are, with plain names.

        What changes meanwhile is as it is when its turn comes; a file that gets shorter is filled up
        with zeros, one that gets longer is cut.

        Raises:
            VolumeNotFound: there is none.
        """
        ...

    async def fill(self, volume: str, parts: AsyncIterator[TarPart]) -> None:
        """Makes a volume of the parts of an archive.

        It is there as a whole afterwards; where the parts raise, the call is cancelled or the process is
        killed, it is not there.

        Args:
            volume: its id.
            parts: all of them safe.

        Raises:
            VolumeInUse: there is one of that name.
            ArchiveInvalid: something in it cannot be written: two things of one name, say.
        """
        ...
