"""The starter catalogue from the files that come with this service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources.abc import Traversable

from machines_svc.domain.machine import MachineSpec


class FileStarterCatalogue:
    """Reads each `*.yaml` of a folder: one machine, as ImportMachine takes it."""

    def __init__(
        self, folder: Traversable, read: Callable[[bytes], tuple[str, MachineSpec]]
    ) -> None:
        """Reads nothing yet.

        Args:
            folder: where the files are.
            read: makes of what a file says a name and a spec.
        """
        self._folder = folder
        self._read = read

    def machines(self) -> Sequence[tuple[str, MachineSpec]]:
        """The name and the spec of each machine, by name of the file.

        Raises:
            Invalid: a file breaks the contract, cannot be read as YAML, or says what the contract does
                not know.
        """
        files = sorted(
            (file for file in self._folder.iterdir() if file.name.endswith(".yaml")),
            key=lambda file: file.name,
        )
        return [self._read(file.read_bytes()) for file in files]
