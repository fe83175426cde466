"""Allocators on a made-up engine, with people and a machine to rent: in one process, or as a mesh."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from allocator_process import AllocatorProcess
from engine_model import EngineModel
from mesh_processes import MeshProcesses
from stored import leased_ports, rows

STOCK = 4
QUICK = {
    "ALLOCATOR_ALLOCATION_ORPHAN_GRACE_SECONDS": "0.5",
    "ALLOCATOR_ALLOCATION_SWEEP_SECONDS": "0.5",
    "ALLOCATOR_ALLOCATION_ENGINE_AWAY_SECONDS": "0.5",
    "ALLOCATOR_ALLOCATION_PORT_REST_SECONDS": "0",
}
MACHINE = {
    "title": "Model",
    "image": "model:1",
    "ports": [{"number": 80, "protocol": "TCP"}],
    "volumes": [{"path": "/data", "sizeMib": 1}],
    "stopGrace": "1s",
    "stock": STOCK,
}
# What its versions have: the first as it is made; ports and volumes come, go, and change their order.
SHAPES: tuple[dict[str, Any], ...] = (
    {"ports": MACHINE["ports"], "volumes": MACHINE["volumes"]},
    {
        "ports": [{"number": 81, "protocol": "TCP"}, {"number": 80, "protocol": "TCP"}],
        "volumes": [{"path": "/more", "sizeMib": 2}, {"path": "/data", "sizeMib": 1}],
    },
    {"ports": [{"number": 82, "protocol": "TCP"}], "volumes": []},
)


class World(ABC):
    """An allocator on a made-up engine, with three people and a machine to rent.

    Attributes:
        engine: the made-up one.
        running: the allocator.
        tokens: of the three people.
        admin: the token of an admin.
    """

    running: AllocatorProcess | MeshProcesses

    def __init__(self, folder: Path) -> None:
        self.engine = EngineModel(folder / "e.sock")
        self.tokens: list[str] = []
        self.admin = ""
        self._emails = [f"person{n}@example.org" for n in range(3)]

    def begin(self) -> None:
        """Starts it, and makes everybody and the machine."""
        self.running.start()
        admin = self.running.admin()
        made = self.running.call(
            "POST", "/v1/machines", admin, params={"machineId": "model"}, json=MACHINE
        )
        assert made.status_code == 200, made.text
        etag = made.json()["etag"]
        published = self.running.call(
            "POST", "/v1/machines/model:publish", admin, json={"etag": etag}
        )
        assert published.status_code == 200, published.text
        for email in self._emails:
            self.running.person(email)

    def log_in(self) -> None:
        """So that no token ends in the middle."""
        self.tokens = [self.running.log_in(email) for email in self._emails]
        self.admin = self.running.admin()

    @property
    @abstractmethod
    def store(self) -> Path | str:
        """Where the allocations are."""

    @abstractmethod
    def kill(self, which: int) -> None:
        """Kills a process, and starts it again."""

    def leased(self) -> list[int]:
        """The ports that the store has leased."""
        return leased_ports(self.store)

    def counted(self) -> list[Any]:
        """What is counted as taken, by whom and of what."""
        return rows(
            self.store,
            "SELECT * FROM tallies WHERE used OR cpu_millis OR memory_bytes OR disk_bytes",
        )

    def close(self) -> None:
        """Ends it."""
        self.running.close()
        self.engine.close()


class EmbeddedWorld(World):
    """Everything in one process, on SQLite."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.running = AllocatorProcess(
            folder / "data", runtime="docker", DOCKER_HOST=self.engine.url, **QUICK
        )
        self.begin()

    @property
    def store(self) -> Path | str:
        return self.running.data_dir / "allocations.sqlite3"

    def kill(self, which: int) -> None:
        assert isinstance(self.running, AllocatorProcess)
        self.running.kill()
        self.running.start()


class MeshWorld(World):
    """Each service in processes of its own, two replicas of each, on real servers."""

    # Those that renting goes through; who logs in and reads notices is not what is tested here.
    MORTAL = ("allocation_svc", "docker_svc", "machines_svc")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.running = MeshProcesses(
            folder / "mesh", replicas=2, runtime="docker", DOCKER_HOST=self.engine.url, **QUICK
        )
        self.begin()

    @property
    def store(self) -> Path | str:
        assert isinstance(self.running, MeshProcesses)
        return self.running.stores.settings["ALLOCATOR_ALLOCATION_DATABASE_URL"]

    def kill(self, which: int) -> None:
        assert isinstance(self.running, MeshProcesses)
        service = self.MORTAL[which % len(self.MORTAL)]
        replica = self.running.replica(service, which // len(self.MORTAL) % 2)
        self.running.restart(replica, signal.SIGKILL)
