"""Taking a node out and in again: whoever rents next is answered by what is so now."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from allocator_process import AllocatorProcess
from mesh_processes import MeshProcesses

RENT = {"machine": "machines/ticker"}
# More than there are replicas, whichever of them is asked.
IN_A_ROW = 6


def every_replica(wanted: Callable[[], bool]) -> None:
    """Waits until the same is true many times in a row."""
    until = time.monotonic() + 10
    while not all(wanted() for _ in range(IN_A_ROW)):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_every_replica_knows_at_once_what_was_taken_out_and_in(
    running: AllocatorProcess | MeshProcesses,
) -> None:
    admin = running.admin()
    until = time.monotonic() + 20
    while not (nodes := running.call("GET", "/v1/nodes", admin).json()["nodes"]):
        assert time.monotonic() < until
        time.sleep(0.05)
    [node] = nodes
    token = running.person("nodes@example.org")

    def obstacles() -> list[str]:
        answer = running.call("POST", "/v1/allocations:estimate", token, json=RENT)
        assert answer.status_code == 200, answer.text
        return [one["reason"] for one in answer.json().get("obstacles", [])]

    # Every replica has looked at the node before.
    every_replica(lambda: not obstacles())
    drained = running.call("POST", f"/v1/{node['name']}:drain", admin, json={"reason": "disks"})
    assert drained.status_code == 200, drained.text
    try:
        every_replica(lambda: obstacles() == ["NODE_DRAINED"])
        answer = running.call("POST", "/v1/allocations", token, json=RENT)
        assert (answer.status_code, answer.json()["reason"]) == (503, "NODE_DRAINED")
    finally:
        running.call("POST", f"/v1/{node['name']}:activate", admin, json={})
    every_replica(lambda: not obstacles())
    name = running.rent(token, "ticker")["name"]
    running.wait(token, name, "READY")
    running.call("DELETE", f"/v1/{name}", token)
    running.wait(token, name, "DELETED")


def test_a_node_that_nobody_has_looked_at_yet_is_known_when_asked_for(tmp_path: Path) -> None:
    """Right after the start, and right after it has joined."""
    running = AllocatorProcess(tmp_path / "data", ALLOCATOR_ALLOCATION_NODE_SECONDS="600").start()
    try:
        admin = running.admin()
        [node] = running.call("GET", "/v1/nodes", admin).json()["nodes"]
        assert node["state"] == "READY"
        unknown = running.call("POST", "/v1/nodes/nowhere:activate", admin, json={})
        assert (unknown.status_code, unknown.json()["reason"]) == (404, "NODE_NOT_FOUND")
    finally:
        running.close()
