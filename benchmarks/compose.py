"""The mesh of docker-compose.yml: from nothing, images present, until everything is well.

Needs the images of the stores on the engine (docs/howto/mesh.md).
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.running import free_port  # noqa: F401 - makes the tests' modules importable

REPLICAS = (1, 2)


def run() -> list[Figure]:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "compose"))
    return [seconds_until_well(each) for each in REPLICAS]


def seconds_until_well(replicas: int) -> Figure:
    from mesh_by_compose import SERVICES, MeshByCompose

    with tempfile.TemporaryDirectory() as scratch:
        mesh = MeshByCompose(Path(scratch))
        mesh.mesh("image", within=600)
        try:
            began = time.monotonic()
            mesh.mesh("up", *(f"--scale={service}={replicas}" for service in SERVICES))
            seconds = time.monotonic() - began
        finally:
            mesh.close()
    return Figure(
        f"the mesh by docker compose, from nothing until everything is well, replicas: {replicas}",
        "",
        seconds,
        "< 60",
        "s",
        "eight services, five stores, the edge",
    )
