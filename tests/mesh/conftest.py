"""One allocator of each kind for all scenarios: embedded on either runtime, and the whole mesh."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from allocator_process import AllocatorProcess
from mesh_processes import MeshProcesses

EMBEDDED = ["process", pytest.param("docker", marks=pytest.mark.real_docker)]
# Processes are for one machine: where services are apart, instances are containers, as a rule.
MESH = [
    pytest.param(
        "mesh-docker",
        marks=[pytest.mark.real_mesh, pytest.mark.real_docker, pytest.mark.timeout(300)],
    ),
]
if os.environ.get("ALLOCATOR_TEST_KINDS") == "all":
    MESH.append(
        pytest.param("mesh-process", marks=[pytest.mark.real_mesh, pytest.mark.timeout(300)])
    )
Opening = Callable[[str], AllocatorProcess | MeshProcesses]


@pytest.fixture(scope="session")
def installation(tmp_path_factory) -> Iterator[Opening]:
    """Starts an allocator of a kind, and ends the one of another kind that ran before."""
    made: dict[str, AllocatorProcess | MeshProcesses] = {}

    def end() -> None:
        for kind in list(made):
            made.pop(kind).close()

    def opened(kind: str) -> AllocatorProcess | MeshProcesses:
        if kind not in made:
            end()
            folder = tmp_path_factory.mktemp(kind)
            if kind.startswith("mesh"):
                runtime = "docker" if kind.endswith("docker") else "process"
                made[kind] = MeshProcesses(folder, replicas=2, runtime=runtime)
            else:
                made[kind] = AllocatorProcess(folder / "data", runtime=kind)
            made[kind].start()
        return made[kind]

    yield opened
    end()


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
