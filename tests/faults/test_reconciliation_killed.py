"""The allocator is killed in the middle of things; the next start finishes them, and leaks nothing.

What lives on is counted on the host: processes, folders, listening ports.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from allocator_process import AllocatorProcess

from tests.faults.reconciliation_host import (
    folders_of,
    listens,
    nothing_is_left,
    programs_of,
    until,
)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[AllocatorProcess]:
    made = AllocatorProcess(tmp_path / "data", ALLOCATOR_ALLOCATION_ORPHAN_GRACE_SECONDS="1")
    made.start()
    yield made
    made.close()


def killed_after(running: AllocatorProcess, seconds: float) -> None:
    """Lets it go on for some milliseconds, then kills it and starts it again."""
    time.sleep(seconds)
    running.kill()
    running.start()


def test_killed_in_the_middle_of_creating_it_ends_ready_or_failed_and_leaks_nothing(
    running: AllocatorProcess,
) -> None:
    token = running.admin()
    ports = set()
    for seconds in (0.0, 0.005, 0.02, 0.1):
        rented = running.rent(token, "http-files")
        ports.add(rented["port"])
        killed_after(running, seconds)
        token = running.admin()
        settled = running.wait(token, rented["name"], "READY", "FAILED")
        assert settled["state"] == "READY", settled
        assert listens(settled["port"])
        # One program and its shim, however often it was begun.
        assert len(folders_of(running.data_dir)) == len(ports)
    nothing_is_left(running, ports)


@pytest.mark.parametrize("seconds", [0.0, 0.02])
def test_killed_in_the_middle_of_stopping_restarting_and_removing_it_finishes(
    running: AllocatorProcess, seconds: float
) -> None:
    token = running.admin()
    rented = running.rent(token, "http-files")
    name, port = rented["name"], rented["port"]
    running.wait(token, name, "READY")
    first = running.call("GET", f"/v1/{name}:inspect", token).json()["incarnation"]

    running.call("POST", f"/v1/{name}:restart", token, json={})
    killed_after(running, seconds)
    token = running.admin()

    def restarted() -> bool:
        inspected = running.call("GET", f"/v1/{name}:inspect", token).json()
        ready = inspected["allocation"]["state"] == "READY"
        return ready and inspected["incarnation"] > first

    until(restarted)
    inspected = running.call("GET", f"/v1/{name}:inspect", token).json()
    assert inspected["incarnation"] == first + 1, "it was restarted once"

    running.call("POST", f"/v1/{name}:stop", token, json={})
    killed_after(running, seconds)
    token = running.admin()
    stopped = running.wait(token, name, "STOPPED")
    assert stopped["port"] == port, "it keeps its address"
    until(lambda: not programs_of(running.data_dir))

    running.call("POST", f"/v1/{name}:start", token, json={})
    killed_after(running, seconds)
    token = running.admin()
    running.wait(token, name, "READY")

    running.call("DELETE", f"/v1/{name}", token)
    killed_after(running, seconds)
    token = running.admin()
    running.wait(token, name, "DELETED")
    nothing_is_left(running, {port})


def test_instances_go_on_without_the_allocator_and_are_found_again(
    running: AllocatorProcess,
) -> None:
    token = running.admin()
    rented = running.rent(token, "http-files")
    ready = running.wait(token, rented["name"], "READY")
    assert running.stop() == 0
    assert listens(ready["port"])
    running.start()
    token = running.admin()
    found = running.wait(token, rented["name"], "READY")
    assert found["stateTime"] == ready["stateTime"], "nothing has happened to it"
    assert found["generation"] == 1
    nothing_is_left(running, {ready["port"]})
