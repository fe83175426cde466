"""One allocator of each kind for each module: embedded on either runtime, and the whole mesh."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from allocator_process import AllocatorProcess
from mesh_processes import MeshProcesses

EMBEDDED = ["process", pytest.param("docker", marks=pytest.mark.real_docker)]
# Local processes are for one machine: where services are apart, instances are containers.
MESH = [
    pytest.param(
        "mesh",
        marks=[pytest.mark.real_mesh, pytest.mark.real_docker, pytest.mark.timeout(300)],
    ),
]
Opening = Callable[[str], AllocatorProcess | MeshProcesses]


@pytest.fixture(scope="module")
def installation(tmp_path_factory) -> Iterator[Opening]:
    """Starts an allocator of a kind, once."""
    made: dict[str, AllocatorProcess | MeshProcesses] = {}

    def opened(kind: str) -> AllocatorProcess | MeshProcesses:
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            if kind == "mesh":
                made[kind] = MeshProcesses(folder, replicas=2, runtime="docker")
            else:
                made[kind] = AllocatorProcess(folder / "data", runtime=kind)
            made[kind].start()
        return made[kind]

    yield opened
    for one in made.values():
        one.close()


@pytest.fixture(params=EMBEDDED)
def embedded(request, installation: Opening) -> AllocatorProcess:
    """An allocator in one process."""
    found = installation(request.param)
    assert isinstance(found, AllocatorProcess)
    return found


@pytest.fixture(params=[*EMBEDDED, *MESH])
def running(request, installation: Opening) -> AllocatorProcess | MeshProcesses:
    """An allocator, however it runs."""
    return installation(request.param)
