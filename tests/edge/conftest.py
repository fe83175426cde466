"""One mesh of processes with an edge before it, for all tests of a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
# The scenarios of renting are those of tests/mesh.
for folder in (HERE, HERE.parent / "mesh"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from mesh_processes import MeshProcesses  # noqa: E402


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[MeshProcesses]:
    made = MeshProcesses(tmp_path_factory.mktemp("apart"), on_servers=False)
    try:
        yield made.start()
    finally:
        made.close()
