"""What somebody does by hand at the engine is seen, told and, where that is ours to do, put right."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from allocator.allocations.v1 import (
    allocation_pb2,
    allocation_service_pb2,
    allocation_service_pb2_grpc,
)
from allocator.reasons.v1 import reason_pb2
from allocator_process import AllocatorProcess
from stored import leased_ports

from tests.faults.reconciliation_host import listens

pytestmark = [pytest.mark.real_docker, pytest.mark.timeout(180)]

QUICK = {
    "ALLOCATOR_ALLOCATION_SWEEP_SECONDS": "2",
    "ALLOCATOR_ALLOCATION_ORPHAN_GRACE_SECONDS": "1",
    "ALLOCATOR_ALLOCATION_RESTART_FIRST_SECONDS": "0.2",
    "ALLOCATOR_ALLOCATION_RESTART_LIMIT": "2",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllocatorProcess]:
    made = AllocatorProcess(tmp_path_factory.mktemp("b") / "data", runtime="docker", **QUICK)
    made.start()
    yield made
    made.remove_everything()
    left = leased_ports(made.data_dir)
    made.close()
    assert left == []


def by_hand(*words: str) -> str:
    """A command of the engine's own client."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def container(allocation: dict[str, Any], generation: int = 1) -> str:
    """The name of the container of an allocation."""
    return f"allocator-{allocation['name'].rpartition('/')[2]}-g{generation}"


def rented(running: AllocatorProcess, machine: str = "http-files") -> tuple[str, dict[str, Any]]:
    """An admin's token, and an allocation of theirs that is ready."""
    token = running.admin()
    name = running.rent(token, machine)["name"]
    ready = running.wait(token, name, "READY", "FAILED")
    assert ready["state"] == "READY", ready["stateReason"]
    return token, ready


def until(
    running: AllocatorProcess, token: str, name: str, wanted: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """The allocation once it is as wanted."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found: dict[str, Any] = running.call("GET", f"/v1/{name}", token).json()
        if wanted(found):
            return found
        time.sleep(0.02)
    raise AssertionError(f"not as wanted: {found}")


def timeline(running: AllocatorProcess, token: str, allocation: dict[str, Any]) -> list[str]:
    """What its owner reads of what has happened to it."""
    answer = running.call("GET", f"/v1/{allocation['name']}/timeline", token)
    return [event["text"] for event in answer.json().get("events", [])]


def remove(running: AllocatorProcess, token: str, name: str) -> None:
    """Removes an allocation to the end."""
    running.call("DELETE", f"/v1/{name}", token)
    running.wait(token, name, "DELETED")


@contextmanager
def stranger(*words: str) -> Iterator[str]:
    """A container that is not ours."""
    identity = by_hand("run", "-d", *words, "busybox:latest", "sleep", "300")
    try:
        yield identity
    finally:
        by_hand("rm", "-f", identity)


def test_a_container_that_is_removed_is_made_anew_at_the_same_address(
    running: AllocatorProcess,
) -> None:
    token, ready = rented(running)
    by_hand("rm", "-f", container(ready))
    again = until(
        running, token, ready["name"], lambda one: one["state"] == "READY" and one["generation"] > 1
    )
    assert (again["generation"], again["restartCount"]) == (2, 0)
    assert (again["host"], again["port"]) == (ready["host"], ready["port"])
    assert listens(ready["port"])
    why = "It is started again by itself. Its instance was removed behind our back"
    end = time.monotonic() + 30
    while not any(text.startswith(why) for text in timeline(running, token, again)):
        assert time.monotonic() < end, timeline(running, token, again)
        time.sleep(0.05)
    remove(running, token, ready["name"])


def test_every_container_removed_at_once_is_made_anew(running: AllocatorProcess) -> None:
    fleet = [rented(running, "nginx" if one % 2 else "http-files")[1] for one in range(5)]
    token = running.admin()
    by_hand("rm", "-f", *(container(one) for one in fleet))
    for one in fleet:
        again = until(
            running, token, one["name"], lambda a: a["state"] == "READY" and a["generation"] == 2
        )
        assert again["port"] == one["port"]
        remove(running, token, one["name"])


def test_a_container_that_is_paused_is_unhealthy_and_nobody_elses_to_wake(
    running: AllocatorProcess,
) -> None:
    token, ready = rented(running)
    by_hand("pause", container(ready))
    paused = running.wait(token, ready["name"], "UNHEALTHY")
    assert paused["stateReason"]["reason"] == "INSTANCE_PAUSED"
    by_hand("unpause", container(ready))
    back = running.wait(token, ready["name"], "READY")
    assert (back["generation"], back["restartCount"]) == (1, 0)
    by_hand("pause", container(ready))
    running.wait(token, ready["name"], "UNHEALTHY")
    running.call("POST", f"/v1/{ready['name']}:stop", token, json={})
    running.wait(token, ready["name"], "STOPPED")
    running.call("POST", f"/v1/{ready['name']}:start", token, json={})
    running.wait(token, ready["name"], "READY")
    by_hand("pause", container(ready))
    running.wait(token, ready["name"], "UNHEALTHY")
    remove(running, token, ready["name"])


def test_a_restart_by_hand_is_seen_as_one(running: AllocatorProcess) -> None:
    token, ready = rented(running)

    def incarnation() -> int:
        inspected = running.call("GET", f"/v1/{ready['name']}:inspect", token).json()
        return int(inspected["incarnation"]) if inspected["instanceState"] == "READY" else 0

    assert incarnation() == 1
    by_hand("restart", "-t", "5", container(ready))
    until(running, token, ready["name"], lambda one: one["state"] == "READY" and incarnation() == 2)
    found = running.call("GET", f"/v1/{ready['name']}", token).json()
    assert (found["generation"], found["restartCount"]) == (1, 0)
    assert listens(ready["port"])
    remove(running, token, ready["name"])


def test_a_stop_by_hand_is_an_end_like_any_other(running: AllocatorProcess) -> None:
    token, ready = rented(running)
    # It ends well when it is asked to, so that its policy lets it rest.
    by_hand("stop", container(ready))
    ended = running.wait(token, ready["name"], "FAILED")
    assert ended["stateReason"]["reason"] == "PROGRAM_ENDED"
    by_hand("start", container(ready))
    running.wait(token, ready["name"], "READY")
    # A kill is an error: it is started again.
    by_hand("kill", container(ready))
    again = until(
        running, token, ready["name"], lambda one: one["state"] == "READY" and one["restartCount"]
    )
    assert (again["port"], again["generation"]) == (ready["port"], 1)
    # Once more may be; then it is enough.
    by_hand("kill", container(ready))
    until(
        running,
        token,
        ready["name"],
        lambda one: one["state"] == "READY" and one["restartCount"] == 2,
    )
    by_hand("kill", container(ready))
    failed = running.wait(token, ready["name"], "FAILED")
    assert failed["stateReason"]["reason"] == "RESTARTS_EXHAUSTED"
    assert "exit code 137" in failed["stateReason"]["message"]
    running.call("POST", f"/v1/{ready['name']}:start", token, json={})
    assert running.wait(token, ready["name"], "READY")["restartCount"] == 0
    remove(running, token, ready["name"])


@pytest.mark.parametrize(("command", "state"), [("kill", "STARTING"), ("rm -f", "PROVISIONING")])
def test_one_that_is_killed_is_not_ready_while_the_engine_does_not_say_more(
    running: AllocatorProcess, command: str, state: str
) -> None:
    """Neither that it runs nor that it has failed: it may be about to be removed."""
    token, ready = rented(running)
    with running.channel() as channel:
        watching = allocation_service_pb2_grpc.AllocationServiceStub(channel).WatchAllocations(
            allocation_service_pb2.WatchAllocationsRequest(name=ready["name"]),
            metadata=(("authorization", f"Bearer {token}"),),
            timeout=60,
        )
        told = (update.allocation for update in watching if update.HasField("allocation"))
        assert next(told).state == allocation_pb2.Allocation.READY
        by_hand(*command.split(), container(ready))
        unknown, then = next(told), next(told)
        watching.cancel()
    assert unknown.state == allocation_pb2.Allocation.UNKNOWN
    assert unknown.state_reason.reason == reason_pb2.INSTANCE_KILLED
    assert then.state == allocation_pb2.Allocation.State.Value(state)
    running.wait(token, ready["name"], "READY")
    remove(running, token, ready["name"])


def test_a_stranger_on_the_port_of_a_stopped_one_does_not_take_its_address(
    running: AllocatorProcess,
) -> None:
    token, ready = rented(running)
    name, port = ready["name"], ready["port"]
    running.call("POST", f"/v1/{name}:stop", token, json={})
    assert running.wait(token, name, "STOPPED")["port"] == port
    with stranger("-p", f"127.0.0.1:{port}:80"):
        running.call("POST", f"/v1/{name}:start", token, json={})
        until(running, token, name, lambda one: one["state"] in ("STARTING", "FAILED"))
        # Whatever else is rented meanwhile gets another one.
        _, other = rented(running)
        assert other["port"] != port
        remove(running, token, other["name"])
        assert running.call("GET", f"/v1/{name}", token).json()["state"] != "READY"
    running.call("POST", f"/v1/{name}:start", token, json={})
    again = running.wait(token, name, "READY")
    assert (again["port"], again["generation"]) == (port, 1)
    remove(running, token, name)


def test_a_stranger_with_our_name_is_passed_over_and_left_alone(running: AllocatorProcess) -> None:
    token, ready = rented(running)
    with stranger("--name", container(ready, 2)) as identity:
        by_hand("rm", "-f", container(ready))
        again = until(
            running,
            token,
            ready["name"],
            lambda one: one["state"] in ("READY", "FAILED") and one["generation"] > 1,
        )
        assert (again["state"], again["generation"], again["port"]) == ("READY", 3, ready["port"])
        assert by_hand("inspect", "-f", "{{.State.Running}}", identity) == "true"
        remove(running, token, ready["name"])
        assert by_hand("inspect", "-f", "{{.State.Running}}", identity) == "true"


def test_what_is_done_while_nobody_looks_is_found_at_the_next_start(
    running: AllocatorProcess,
) -> None:
    token, removed = rented(running)
    _, paused = rented(running)
    _, killed = rented(running)
    assert running.stop() == 0
    by_hand("rm", "-f", container(removed))
    by_hand("pause", container(paused))
    by_hand("kill", container(killed))
    running.start()
    token = running.admin()
    until(running, token, removed["name"], lambda a: (a["state"], a["generation"]) == ("READY", 2))
    assert running.wait(token, paused["name"], "UNHEALTHY")["generation"] == 1
    until(running, token, killed["name"], lambda a: (a["state"], a["restartCount"]) == ("READY", 1))
    for one in (removed, paused, killed):
        remove(running, token, one["name"])
