"""What allocations hold: what is in their volumes, and their logs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Held:
    """A volume that the engine has.

    Attributes:
        identity: the last part of its name.
        size_bytes: how much it held when it was last measured.
        measure_time: when that was; None where it is not known.
    """

    identity: str
    size_bytes: int
    measure_time: datetime | None


class Contents(Protocol):
    """What the engine holds for allocations.

    Every method may raise Unavailable (ENGINE_UNAVAILABLE while the engine is away) and
    DeadlineExceeded.
    """

    async def volumes(self) -> Sequence[Held]:
        """Every volume that is ours."""
        ...

    async def measure(self, identities: Sequence[str]) -> Sequence[Held]:
        """Measures volumes now; without those that are not there."""
        ...

    async def remove(self, identity: str) -> None:
        """Removes a volume; where there is none, nothing happens."""
        ...

    def export(self, identity: str) -> AsyncGenerator[bytes, None]:
        """What is in a volume, as a tar archive.

        Raises:
            NotFound: VOLUME_NOT_FOUND.
        """
        ...

    async def fill(self, identity: str, max_bytes: int, archive: AsyncIterator[bytes]) -> int:
        """Makes a volume of a tar archive, plain or gzip: as a whole, or not at all.

        What the archive raises ends it, and is raised here.

        Returns:
            The lengths of its files, in bytes.

        Raises:
            Fault: VOLUME_IN_USE, VOLUME_TOO_LARGE, ARCHIVE_INVALID, ARCHIVE_UNSAFE.
        """
        ...

    def log(self, allocation: str) -> AsyncGenerator[bytes, None]:
        """The log of an allocation as far as it is kept, in lines of `time text`; gaps are named."""
        ...
