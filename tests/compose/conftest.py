"""One mesh for all tests of a file: it takes a minute, and half of a small machine while it is up."""

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

from mesh_by_compose import MeshByCompose  # noqa: E402


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[MeshByCompose]:
    made = MeshByCompose(tmp_path_factory.mktemp("compose"))
    made.mesh("image", within=600)
    try:
        made.up()
        yield made
    finally:
        made.close()
