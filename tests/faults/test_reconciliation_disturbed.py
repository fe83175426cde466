"""What others do behind our back: engines that go away, strangers on ports, lost and orphaned instances."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from allocator_process import AllocatorProcess
from free_ports import free_range

from tests.faults.reconciliation_host import (
    Cable,
    cable_to_engine,
    folders_of,
    listens,
    nothing_is_left,
    programs_of,
    until,
)

QUICK = {
    "ALLOCATOR_ALLOCATION_ORPHAN_GRACE_SECONDS": "0.5",
    "ALLOCATOR_ALLOCATION_SWEEP_SECONDS": "0.5",
    "ALLOCATOR_ALLOCATION_ENGINE_AWAY_SECONDS": "0.5",
}


@pytest.fixture(scope="module")
def cable_and_running(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Cable, AllocatorProcess]]:
    # Sockets' paths are short.
    folder = Path(tmp_path_factory.mktemp("c", numbered=True))
    with cable_to_engine(folder / "t") as (cable, settings):
        made = AllocatorProcess(folder / "data", **QUICK, **settings)
        made.start()
        yield cable, made
        cable.plug()
        made.close()


@pytest.fixture
def running(cable_and_running: tuple[Cable, AllocatorProcess]) -> AllocatorProcess:
    return cable_and_running[1]


@pytest.fixture
def cable(cable_and_running: tuple[Cable, AllocatorProcess]) -> Iterator[Cable]:
    yield cable_and_running[0]
    cable_and_running[0].plug()


def test_an_engine_that_is_away_makes_it_unknown_and_wishes_are_done_when_it_is_back(
    cable: Cable, running: AllocatorProcess
) -> None:
    token = running.admin()
    first, second = (running.rent(token, "http-files") for _ in range(2))
    for one in (first, second):
        running.wait(token, one["name"], "READY")
    cable.pull()
    lost = running.wait(token, first["name"], "UNKNOWN")
    assert lost["stateReason"]["reason"] == "ENGINE_UNAVAILABLE"
    assert lost["observedTime"] <= lost["stateTime"]
    assert lost["port"] == first["port"]
    running.wait(token, second["name"], "UNKNOWN")

    refused = running.call(
        "POST", "/v1/allocations", token, json={"machine": "machines/http-files"}
    )
    assert (refused.status_code, refused.json()["reason"]) == (503, "ENGINE_UNAVAILABLE")
    assert "retry-after" in refused.headers
    for verb, path in (
        ("POST", f"/v1/{first['name']}:stop"),
        ("DELETE", f"/v1/{second['name']}"),
    ):
        body = {"json": {}} if verb == "POST" else {}
        noted = running.call(verb, path, token, **body)
        assert (noted.status_code, noted.json()["reason"]) == (503, "ENGINE_UNAVAILABLE"), path
        assert "noted" in noted.json()["detail"]
    kept = running.call("GET", f"/v1/{first['name']}", token).json()
    assert (kept["state"], kept["desiredState"]) == ("UNKNOWN", "STOPPED")
    assert listens(first["port"]), "an instance goes on while nobody can ask for it"

    cable.plug()
    running.wait(token, first["name"], "STOPPED")
    running.wait(token, second["name"], "DELETED")
    listed = running.call("GET", "/v1/allocations", token).json()["allocations"]
    assert [one["name"] for one in listed] == [first["name"]], "what was refused was not rented"
    nothing_is_left(running, {first["port"], second["port"]})


def test_an_engine_away_for_a_moment_changes_nothing(
    cable: Cable, running: AllocatorProcess
) -> None:
    token = running.admin()
    rented = running.rent(token, "ticker")
    ready = running.wait(token, rented["name"], "READY")
    cable.pull()
    cable.plug()
    inspected = until(
        lambda: (
            answer.json()
            if (answer := running.call("GET", f"/v1/{rented['name']}:inspect", token)).status_code
            == 200
            else None
        )
    )
    assert inspected["allocation"]["stateTime"] == ready["stateTime"]
    nothing_is_left(running, set())


def test_a_port_that_a_stranger_has_is_exchanged_for_the_next_one(
    tmp_path: Path,
) -> None:
    strangers = []
    ports = free_range(5)
    first = int(ports.partition("-")[0])
    for port in range(first, first + 4):
        stranger = socket.socket()
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        strangers.append(stranger)
    running = AllocatorProcess(tmp_path / "data", ALLOCATOR_ALLOCATION_PORT_RANGE=ports, **QUICK)
    running.start()
    try:
        token = running.admin()
        rented = running.rent(token, "http-files")
        ready = running.wait(token, rented["name"], "READY", "FAILED")
        assert ready["state"] == "READY", ready
        assert ready["port"] == first + 4
        assert ready["endpoints"][0]["port"] == ready["port"]
        nothing_is_left(running, set())
    finally:
        for stranger in strangers:
            stranger.close()
        running.close()


def test_a_program_that_is_killed_by_hand_has_failed_with_its_last_lines(
    running: AllocatorProcess,
) -> None:
    token = running.admin()
    rented = running.rent(token, "ticker", INTERVAL="0.01")
    running.wait(token, rented["name"], "READY")
    program = rented["name"].removeprefix("allocations/")
    pids = [
        int(process.name)
        for process in Path("/proc").iterdir()
        if process.name.isdigit() and _runs_in(process, program)
    ]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    failed = running.wait(token, rented["name"], "FAILED")
    assert failed["stateReason"]["reason"] == "PROGRAM_FAILED"
    assert failed["stateReason"]["exitCode"] == 137
    assert 1 <= len(failed["stateReason"]["lastLines"]) <= 50
    assert failed["desiredState"] == "RUNNING"

    running.call("POST", f"/v1/{rented['name']}:start", token, json={})
    again = running.wait(token, rented["name"], "READY")
    assert again["generation"] == 1, "it was started again with its files"
    nothing_is_left(running, set())


def test_a_program_that_ends_at_once_has_failed_with_its_very_last_lines(
    running: AllocatorProcess,
) -> None:
    token = running.admin()
    program = "import sys; [print('line', n, flush=True) for n in range(200)]; sys.exit(3)"
    machine = {"title": "Crasher", "command": ["python3", "-c", program]}
    made = running.call("POST", "/v1/machines?machineId=crasher", token, json=machine)
    assert made.status_code == 200, made.text
    running.call("POST", "/v1/machines/crasher:publish", token, json={})
    for _ in range(5):
        rented = running.rent(token, "crasher")
        failed = running.wait(token, rented["name"], "FAILED")
        reason = failed["stateReason"]
        assert (reason["reason"], reason["exitCode"]) == ("PROGRAM_FAILED", 3)
        assert reason["lastLines"] == [f"line {n}" for n in range(150, 200)]
    nothing_is_left(running, set())


def test_the_last_lines_of_an_instance_are_none_of_the_one_before(
    running: AllocatorProcess,
) -> None:
    """Also where those would stand still at once, and its own come a moment later."""
    token = running.admin()
    say = "import sys, time; [print('{} line', n, flush=True) for n in range(5)]; {}"
    former, latter = say.format("former", "time.sleep(600)"), say.format("latter", "sys.exit(3)")
    machine = {
        "title": "Renewed",
        "command": ["python3", "-c", former],
        "probe": {"log": {"pattern": "line 4"}},
    }
    made = running.call("POST", "/v1/machines?machineId=renewed", token, json=machine)
    assert made.status_code == 200, made.text
    running.call("POST", "/v1/machines/renewed:publish", token, json={})
    rented = running.rent(token, "renewed")
    running.wait(token, rented["name"], "READY")
    changed = running.call(
        "PATCH",
        "/v1/machines/renewed?updateMask=command",
        token,
        json={"command": ["python3", "-c", latter]},
    )
    assert changed.status_code == 200, changed.text
    running.call("POST", f"/v1/{rented['name']}:recreate", token, json={})
    failed = running.wait(token, rented["name"], "FAILED")
    assert failed["generation"] == 2
    assert failed["stateReason"]["lastLines"] == [f"latter line {n}" for n in range(5)]
    nothing_is_left(running, set())


def _runs_in(process: Path, program: str) -> bool:
    try:
        return program in str((process / "cwd").readlink())
    except OSError:
        return False


def test_an_instance_that_vanishes_is_made_anew(running: AllocatorProcess) -> None:
    token = running.admin()
    rented = running.rent(token, "http-files")
    ready = running.wait(token, rented["name"], "READY")
    folder = running.data_dir / "instances"
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and _runs_in(process, rented["name"].split("/")[1]):
            os.kill(int(process.name), signal.SIGKILL)
    for name in folders_of(running.data_dir):
        shutil.rmtree(folder / name, ignore_errors=True)

    def settled() -> dict[str, Any] | None:
        found = dict(running.call("GET", f"/v1/{rented['name']}", token).json())
        anew = found["state"] == "READY" and found["generation"] > 1
        # Where its end was seen before its folder was gone, its program has failed.
        return found if anew or found["state"] == "FAILED" else None

    assert until(settled)["port"] == ready["port"], "it keeps its address"
    nothing_is_left(running, {ready["port"]})


def test_volumes_without_an_allocation_are_removed_after_a_grace(
    running: AllocatorProcess,
) -> None:
    folder = running.data_dir / "instances"
    (folder / "abcd1234-volumes" / "1").mkdir(parents=True)
    (folder / "somebody-elses").mkdir()
    try:
        until(lambda: "abcd1234-volumes" not in folders_of(running.data_dir))
        assert "somebody-elses" in folders_of(running.data_dir)
    finally:
        (folder / "somebody-elses").rmdir()


def test_an_instance_without_an_allocation_is_removed_after_a_grace(
    running: AllocatorProcess,
) -> None:
    token = running.admin()
    rented = running.rent(token, "http-files")
    ready = running.wait(token, rented["name"], "READY")
    running.kill()
    with closing(sqlite3.connect(running.data_dir / "allocations.sqlite3")) as store:
        store.execute("DELETE FROM allocations")
        store.execute("DELETE FROM port_leases")
        store.execute("DELETE FROM tallies")
        store.commit()
    assert listens(ready["port"])
    running.start()
    until(lambda: not programs_of(running.data_dir))
    until(lambda: not folders_of(running.data_dir))
    assert not listens(ready["port"])
