"""Allocators for clients in other languages: one in a process, and a mesh behind an edge with TLS."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from allocator_process import AllocatorProcess
from mesh_processes import MeshProcesses

Opening = Callable[[str], AllocatorProcess | MeshProcesses]


def needed(program: str, why: str) -> str:
    """The path of a program; a test that needs one which is missing fails."""
    found = shutil.which(program)
    if found is None:
        pytest.fail(f"{program} is not on PATH: {why}")
    return found


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opening]:
    """Starts an allocator of a kind, once for a file: `alone`, or `edge`."""
    made: dict[str, AllocatorProcess | MeshProcesses] = {}

    def opened(kind: str) -> AllocatorProcess | MeshProcesses:
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            made[kind] = (
                AllocatorProcess(folder / "data")
                if kind == "alone"
                else MeshProcesses(folder, replicas=2)
            )
            made[kind].start()
        return made[kind]

    yield opened
    for one in made.values():
        one.close()


@pytest.fixture(scope="module")
def contracts(installation: Opening, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What clients are made from, as docs/howto/clients.md gets it."""
    grpcurl = needed("grpcurl", "go install github.com/fullstorydev/grpcurl/cmd/grpcurl@latest")
    file = tmp_path_factory.mktemp("contracts") / "allocator.binpb"
    address = installation("alone").grpc
    command = [grpcurl, "-plaintext", "-protoset-out", str(file), address, "describe"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return file
