"""`kill -9` in the middle of creating, stopping and removing containers leaves nothing behind.

What lives on is counted on the engine and on the host, not in our tables. The same on the process
runtime is shown in test_reconciliation_killed.py.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from allocator_process import AllocatorProcess
from stored import leased_ports

from tests.faults.reconciliation_host import listens, until

pytestmark = [pytest.mark.real_docker, pytest.mark.slow, pytest.mark.timeout(300)]

MOMENTS = (0.0, 0.01, 0.03, 0.06, 0.1, 0.16, 0.25, 0.4)
"""Seconds after the call: an engine takes some 0.25 to make and start a container."""


def containers_of(running: AllocatorProcess) -> list[str]:
    """The containers of this installation, running or not, by the engine."""
    installation = json.loads((running.data_dir / "runtime.json").read_text())["installation"]
    listed = subprocess.run(
        ["docker", "ps", "-aq", "--filter", f"label=allocator.installation={installation}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return listed.stdout.split()


def killed_after(running: AllocatorProcess, seconds: float) -> str:
    """Lets it go on for so long, then kills it and starts it again; the admin's new token."""
    time.sleep(seconds)
    running.kill()
    running.start()
    return running.admin()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllocatorProcess]:
    made = AllocatorProcess(
        Path(tmp_path_factory.mktemp("killed")) / "data",
        runtime="docker",
        ALLOCATOR_ALLOCATION_ORPHAN_GRACE_SECONDS="1",
        ALLOCATOR_ALLOCATION_SWEEP_SECONDS="1",
    )
    made.start()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def nothing_left(running: AllocatorProcess) -> Iterator[None]:
    """After each test and after everything was removed, the engine and the host have nothing of it."""
    yield
    running.remove_everything()
    until(lambda: not containers_of(running))
    assert leased_ports(running.data_dir) == []
    first, last = map(int, running.environment["ALLOCATOR_ALLOCATION_PORT_RANGE"].split("-"))
    assert [port for port in range(first, last + 1) if listens(port)] == []


def test_killed_in_the_middle_of_creating_it_ends_ready_or_failed_without_orphans(
    running: AllocatorProcess,
) -> None:
    token, rented = running.admin(), []
    for seconds in MOMENTS:
        rented.append(running.rent(token, "http-files")["name"])
        token = killed_after(running, seconds)
        settled = running.wait(token, rented[-1], "READY", "FAILED")
        assert settled["state"] == "READY", settled
        assert listens(settled["port"])
        # One container each, however often one was begun.
        until(lambda: len(containers_of(running)) == len(rented))


def test_killed_right_after_removing_was_asked_for_it_is_removed(
    running: AllocatorProcess,
) -> None:
    token = running.admin()
    for seconds in MOMENTS[:4]:
        name = running.rent(token, "http-files")["name"]
        port = running.wait(token, name, "READY")["port"]
        running.call("DELETE", f"/v1/{name}", token)
        token = killed_after(running, seconds)
        running.wait(token, name, "DELETED")
        until(lambda: not containers_of(running))
        assert not listens(port)


def test_killed_in_the_middle_of_creating_what_was_then_removed(
    running: AllocatorProcess,
) -> None:
    token = running.admin()
    for seconds in MOMENTS[1::2]:
        name = running.rent(token, "http-files")["name"]
        time.sleep(seconds)
        running.call("DELETE", f"/v1/{name}", token)
        token = killed_after(running, 0)
        running.wait(token, name, "DELETED")
        until(lambda: not containers_of(running))


@pytest.mark.parametrize("verb", ["stop", "restart"])
def test_killed_in_the_middle_of_stopping_or_restarting_it_is_finished(
    running: AllocatorProcess, verb: str
) -> None:
    token = running.admin()
    name = running.rent(token, "http-files")["name"]
    port = running.wait(token, name, "READY")["port"]
    for seconds in MOMENTS[:4]:
        before = running.call("GET", f"/v1/{name}:inspect", token).json()["incarnation"]
        running.call("POST", f"/v1/{name}:{verb}", token, json={})
        token = killed_after(running, seconds)
        if verb == "stop":
            running.wait(token, name, "STOPPED")
            until(lambda: not listens(port))
            running.call("POST", f"/v1/{name}:start", token, json={})
            assert running.wait(token, name, "READY")["port"] == port
        else:

            def restarted(token: str = token, before: int = before) -> bool:
                seen = running.call("GET", f"/v1/{name}:inspect", token).json()
                ready = seen["allocation"]["state"] == "READY"
                return ready and seen["incarnation"] == before + 1

            until(restarted)
            assert listens(port)
        assert len(containers_of(running)) == 1
