"""The starter catalogue from the files that come with this service."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from importlib.resources.abc import Traversable
from typing import Any

from machines_svc.domain.machine import MachineSpec


class FileStarterCatalogue:
    """Reads each `*.toml` of a folder: one machine, in the contract's words."""

    def __init__(
        self, folder: Traversable, read: Callable[[Mapping[str, Any]], tuple[str, MachineSpec]]
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
            Invalid: a file breaks the contract.
            ValueError: a file cannot be read as TOML, or says what the contract does not know.
        """
        files = sorted(
            (file for file in self._folder.iterdir() if file.name.endswith(".toml")),
            key=lambda file: file.name,
        )
        return [self._read(tomllib.loads(file.read_text(encoding="utf-8"))) for file in files]
