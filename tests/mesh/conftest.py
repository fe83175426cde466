"""One allocator of each kind for all scenarios: embedded on either runtime, and the whole mesh."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from allocator_process import AllocatorProcess
from mesh_processes import MeshProcesses

EMBEDDED = ["process", pytest.param("docker", marks=pytest.mark.real_docker)]
# Each scenario runs on the smallest kind and on the largest one; `make soak` runs it on the others too.
KINDS = [
    "process",
    pytest.param(
        "mesh-docker",
        marks=[pytest.mark.real_mesh, pytest.mark.real_docker, pytest.mark.timeout(300)],
    ),
]
if os.environ.get("ALLOCATOR_TEST_KINDS") == "all":
    KINDS += [
        pytest.param("docker", marks=pytest.mark.real_docker),
        pytest.param("mesh-process", marks=[pytest.mark.real_mesh, pytest.mark.timeout(300)]),
    ]


class Installation:
    """The allocator that runs now; each kind is started when the first test of it asks."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._made: dict[str, AllocatorProcess | MeshProcesses] = {}

    def __call__(self, kind: str) -> AllocatorProcess | MeshProcesses:
        """An allocator of a kind; one of another kind that ran before ends."""
        if kind not in self._made:
            self.end()
            folder = self._folders.mktemp(kind)
            if kind.startswith("mesh"):
                runtime = "docker" if kind.endswith("docker") else "process"
                self._made[kind] = MeshProcesses(folder, replicas=2, runtime=runtime)
            else:
                self._made[kind] = AllocatorProcess(folder / "data", runtime=kind)
            self._made[kind].start()
        return self._made[kind]

    def end(self) -> None:
        """Ends what runs."""
        for kind in list(self._made):
            self._made.pop(kind).close()


_INSTALLATION = pytest.StashKey[Installation]()


@pytest.fixture(scope="session")
def installation(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Starts allocators, one at a time."""
    made = request.config.stash[_INSTALLATION] = Installation(tmp_path_factory)
    yield made
    made.end()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Ends the allocator after the last test here: an idle mesh takes a third of a processor."""
    made = item.config.stash.get(_INSTALLATION, None)
    if made is not None and (nextitem is None or nextitem.path.parent != item.path.parent):
        made.end()


@pytest.fixture(params=EMBEDDED)
def embedded(request, installation: Installation) -> AllocatorProcess:
    """An allocator in one process."""
    found = installation(request.param)
    assert isinstance(found, AllocatorProcess)
    return found


@pytest.fixture(params=KINDS)
def running(request, installation: Installation) -> AllocatorProcess | MeshProcesses:
    """An allocator, however it runs."""
    return installation(request.param)
