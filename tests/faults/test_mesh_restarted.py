"""Replicas that are restarted and killed under load: nothing that was answered is lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from mesh_load import Load, settled
from mesh_processes import MeshProcesses
from websockets.exceptions import WebSocketException

from allocctl.commands.running import SERVICES
from allocctl.sequence import SequenceChecker

# How long each service is killed again and again; minutes in `make soak`.
SECONDS = float(os.environ.get("ALLOCATOR_TEST_SOAK_SECONDS", "6"))
# Between two rents while everything is restarted once. In `make soak` there is none, and each process comes
# back several times later than it does alone.
PAUSE = 0.0 if "ALLOCATOR_TEST_SOAK_SECONDS" in os.environ else 0.25
pytestmark = [pytest.mark.real_mesh, pytest.mark.timeout(int(400 + SECONDS))]


@pytest.fixture(scope="module")
def mesh(tmp_path_factory) -> Iterator[MeshProcesses]:
    made = MeshProcesses(
        tmp_path_factory.mktemp("mesh"),
        replicas=2,
        ALLOCATOR_ALLOCATION_SWEEP_SECONDS="2",
        ALLOCATOR_ALLOCATION_ORPHAN_GRACE_SECONDS="1",
        ALLOCATOR_ALLOCATION_PORT_REST_SECONDS="1",
        ALLOCATOR_ALLOCATION_QUOTA="1000",
    )
    try:
        yield made.start()
    finally:
        made.close()


class Watcher(threading.Thread):
    """Watches a log over WebSocket, and comes back at its cursor whenever it is cut off."""

    def __init__(self, mesh: MeshProcesses, token: str, name: str) -> None:
        super().__init__(daemon=True)
        self.checker = SequenceChecker(1)
        self.gaps: list[str] = []
        self.problem = ""
        self.cuts = 0
        self._mesh, self._token, self._name = mesh, token, name
        self._end = threading.Event()

    def run(self) -> None:
        try:
            asyncio.run(self._watch())
        except Exception as error:  # noqa: BLE001 - told by whoever ends it
            self.problem = repr(error)

    def end(self) -> None:
        self._end.set()
        self.join(timeout=30)
        assert not self.problem
        assert not self.gaps

    async def _watch(self) -> None:
        while not self._end.is_set():
            try:
                await self._follow()
            except (OSError, WebSocketException, TimeoutError):
                self.cuts += 1
                await asyncio.sleep(0.1)

    async def _follow(self) -> None:
        async with self._mesh.connect(f"/v1/{self._name}/console", open_timeout=5) as console:
            await console.send(json.dumps({"auth": {"token": self._token}}))
            await console.send(json.dumps({"resume": {"cursor": str(self.checker.next)}}))
            while not self._end.is_set():
                async with asyncio.timeout(20):
                    frame = json.loads(await console.recv())
                if "log" in frame:
                    first = int(frame["log"]["firstSeq"])
                    self.checker.feed(first, first + len(frame["log"]["texts"]) - 1)
                elif "gap" in frame:
                    self.gaps.append(str(frame["gap"]))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_killed_again_and_again_loses_nothing(mesh: MeshProcesses, service: str) -> None:
    with Load(mesh) as load:
        until = time.monotonic() + SECONDS
        turn = 0
        while time.monotonic() < until:
            mesh.restart(mesh.replica(service, turn % 2), signal.SIGKILL)
            turn += 1
    assert load.outcomes[200] > 0
    settled(mesh, load)


def test_a_rolling_restart_loses_no_answer_and_no_line(mesh: MeshProcesses) -> None:
    token = mesh.person("rolling@example.org")
    name = mesh.rent(token, "ticker", INTERVAL="0.01")["name"]
    mesh.wait(token, name, "READY")
    watcher = Watcher(mesh, token, name)
    watcher.start()
    with Load(mesh, pause=PAUSE) as load:
        for service in SERVICES:
            for number in range(2):
                mesh.restart(mesh.replica(service, number))
    lines = watcher.checker.lines
    until = time.monotonic() + 30
    while watcher.checker.lines < lines + 50:
        assert time.monotonic() < until, "the watcher hears nothing any more"
        time.sleep(0.05)
    watcher.end()
    assert watcher.cuts > 0, "it was cut off when the process that it was connected to ended"
    mesh.call("DELETE", f"/v1/{name}", token)
    mesh.wait(token, name, "DELETED")
    settled(mesh, load)


@pytest.mark.parametrize("service", ["allocation_svc", "user_svc", "machines_svc", "notifier"])
def test_another_replica_leads_within_ten_seconds(mesh: MeshProcesses, service: str) -> None:
    leader = next(n for n in (0, 1) if leads(mesh, service, n))
    mesh.replica(service, leader).stop(signal.SIGKILL)
    since = time.monotonic()
    while not leads(mesh, service, 1 - leader):
        assert time.monotonic() - since < 10, "nobody leads"
        time.sleep(0.05)
    mesh.replica(service, leader).start()
    mesh.wait_ready(mesh.replica(service, leader))
    assert not leads(mesh, service, leader)


def leads(mesh: MeshProcesses, service: str, number: int) -> bool:
    """Whether a replica says that it leads."""
    metrics = mesh.ask(mesh.replica(service, number), "/metrics").text
    line = next(x for x in metrics.splitlines() if x.startswith("allocator_replica_leads{"))
    return float(line.rpartition(" ")[2]) == 1.0
