"""What can be rented."""

from __future__ import annotations

from typing import Protocol

from allocation_svc.domain.machine import Machine


class Catalogue(Protocol):
    """The machines that can be rented."""

    async def machine(self, name: str) -> Machine:
        """One machine, as the caller may see it.

        Raises:
            NotFound: MACHINE_NOT_FOUND, there is none, or the caller may not see it.
            Unavailable: the catalogue does not answer.
        """
        ...


class MachineVersions(Protocol):
    """Knows, of late, which versions of machines can be rented."""

    def newer(self, machine: str, version: int) -> int:
        """The version of a machine that would be rented now, without asking.

        Args:
            machine: `machines/{machine}`.
            version: the one that was rented.

        Returns:
            0 where it is not newer, is not known, or where the machine cannot be rented any more.
        """
        ...
