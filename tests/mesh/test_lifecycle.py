"""What happens to allocations by themselves, and what becomes of them by newer versions, end to end."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from allocator_process import AllocatorProcess
from stored import leased_ports

QUICK = {
    "ALLOCATOR_ALLOCATION_SHORTEST_IDLE_SECONDS": "1",
    "ALLOCATOR_ALLOCATION_IDLE_LOOK_SECONDS": "0.5",
}
COUNTS = """
echo x >> "$ALLOCATOR_VOLUME_1/runs"
echo "run $(wc -l < "$ALLOCATOR_VOLUME_1/runs" | tr -d ' ') $COLOUR $SECRET"
while :; do sleep 1; done
"""
# A container has the one program that serves files, a process the other.
SERVES = """
serve() {
  if [ -n "$(command -v python3)" ]; then
    exec python3 -m http.server "$1" --bind "$ALLOCATOR_BIND_ADDRESS" --directory "$2"
  fi
  exec httpd -f -p "$1" -h "$2"
}
"""
SERVES_ONE = """
echo "of the first" > "$ALLOCATOR_VOLUME_1/kept"
serve "$PORT_8081" "$ALLOCATOR_VOLUME_1" &
serve "$PORT_8080" "$ALLOCATOR_VOLUME_1"
"""
SERVES_OTHERS = """
echo "of the second" > "$ALLOCATOR_VOLUME_1/new"
serve "$PORT_9090" "$ALLOCATOR_VOLUME_1" &
serve "$PORT_8080" "$ALLOCATOR_VOLUME_2"
"""
PATIENCE = 60.0


@pytest.fixture(
    scope="module", params=["process", pytest.param("docker", marks=pytest.mark.real_docker)]
)
def allocator(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AllocatorProcess]:
    """An allocator that looks often at what is in use."""
    folder = tmp_path_factory.mktemp("lifecycle") / "data"
    started = AllocatorProcess(folder, runtime=request.param, **QUICK)
    started.start()
    yield started
    started.close()


def until(found: Callable[[], Any], wanted: Callable[[Any], bool]) -> Any:
    """What is found, once it is as it is wanted."""
    end = time.monotonic() + PATIENCE
    while not wanted(last := found()):
        assert time.monotonic() < end, last
        time.sleep(0.05)
    return last


def read(allocator: AllocatorProcess, token: str, name: str) -> dict[str, Any]:
    """An allocation."""
    answer: dict[str, Any] = allocator.call("GET", f"/v1/{name}", token).json()
    return answer


def changed(
    allocator: AllocatorProcess, token: str, name: str, body: dict[str, Any], mask: str
) -> dict[str, Any]:
    """An allocation after an update."""
    answer = allocator.call("PATCH", f"/v1/{name}?updateMask={mask}", token, json=body)
    assert answer.status_code == 200, answer.text
    updated: dict[str, Any] = answer.json()
    return updated


def in_seconds(seconds: float) -> str:
    """A time from now on."""
    then = datetime.now(UTC) + timedelta(seconds=seconds)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def told(allocator: AllocatorProcess, token: str, name: str) -> str:
    """The words of the timeline."""
    answer = allocator.call("GET", f"/v1/{name}/timeline", token, params={"orderBy": "time"})
    return " ".join(event.get("text", "") for event in answer.json().get("events", []))


def test_it_stops_when_its_time_is_over_and_starts_with_more_time(
    allocator: AllocatorProcess,
) -> None:
    token = allocator.person(f"{uuid4().hex[:12]}@example.org")
    name = allocator.rent(token, "ticker")["name"]
    allocator.wait(token, name, "READY")
    end = in_seconds(4)
    updated = changed(allocator, token, name, {"expireTime": end}, "expireTime")
    assert updated["planned"]["time"] == end
    assert updated["planned"]["desiredState"] == "STOPPED"
    assert updated["planned"]["reason"]["reason"] == "EXPIRED"

    stopped = allocator.wait(token, name, "STOPPED")
    assert stopped["stateReason"]["reason"] == "EXPIRED"
    assert "planned" not in stopped
    refused = allocator.call("POST", f"/v1/{name}:start", token, json={})
    assert (refused.status_code, refused.json()["reason"]) == (400, "ALLOCATION_EXPIRED")

    changed(allocator, token, name, {"expireTime": in_seconds(3600)}, "expireTime")
    allocator.call("POST", f"/v1/{name}:start", token, json={})
    again = allocator.wait(token, name, "READY")
    assert again["planned"]["reason"]["reason"] == "EXPIRED"
    changed(allocator, token, name, {}, "expireTime")
    assert "planned" not in read(allocator, token, name)
    allocator.call("DELETE", f"/v1/{name}", token)


def test_its_end_may_remove_it(allocator: AllocatorProcess) -> None:
    token = allocator.person(f"{uuid4().hex[:12]}@example.org")
    machine = "machines/ticker"
    body = {"machine": machine, "expireTime": in_seconds(4), "expireAction": "DELETE"}
    answer = allocator.call("POST", "/v1/allocations", token, json=body)
    assert answer.status_code == 200, answer.text
    gone = allocator.wait(token, answer.json()["name"], "DELETED")
    assert gone["stateReason"]["reason"] == "EXPIRED"


def test_what_nobody_uses_is_stopped_and_what_is_used_is_not(allocator: AllocatorProcess) -> None:
    token = allocator.person(f"{uuid4().hex[:12]}@example.org")
    name = allocator.rent(token, "http-files")["name"]
    ready = allocator.wait(token, name, "READY")
    with closing(socket.create_connection((ready["host"], ready["port"]), timeout=5)):
        changed(allocator, token, name, {"idlePolicy": {"timeout": "4s"}}, "idlePolicy")
        # As long as it would take twice; the connection stays open and nothing is sent.
        end = time.monotonic() + 8
        while time.monotonic() < end:
            assert read(allocator, token, name)["state"] == "READY"
            time.sleep(0.5)
    planned = until(lambda: read(allocator, token, name), lambda one: "planned" in one)["planned"]
    assert planned["reason"]["reason"] == "IDLE"
    stopped = allocator.wait(token, name, "STOPPED")
    assert stopped["stateReason"]["reason"] == "IDLE"
    assert "idle for 4 seconds" in stopped["stateReason"]["message"]
    until(lambda: told(allocator, token, name), lambda text: "idle for 4 seconds" in text)
    allocator.call("POST", f"/v1/{name}:start", token, json={})
    allocator.wait(token, name, "READY")
    allocator.call("DELETE", f"/v1/{name}", token)


def test_a_schedule_is_followed_shown_and_refused_with_its_field(
    allocator: AllocatorProcess,
) -> None:
    token = allocator.person(f"{uuid4().hex[:12]}@example.org")
    name = allocator.rent(token, "ticker")["name"]
    allocator.wait(token, name, "READY")
    schedule = {
        "timeZone": "Europe/Berlin",
        "actions": [
            {"action": "START", "days": ["MONDAY", "FRIDAY"], "time": "08:00"},
            {"action": "STOP", "time": "18:30"},
        ],
    }
    updated = changed(allocator, token, name, {"schedule": schedule}, "schedule")
    assert updated["schedule"]["timeZone"] == "Europe/Berlin"
    assert updated["schedule"]["actions"][0] == schedule["actions"][0]
    assert len(updated["schedule"]["actions"][1]["days"]) == 7
    assert updated["planned"]["reason"]["reason"] == "SCHEDULED"
    assert updated["planned"]["desiredState"] == "STOPPED"
    assert updated["state"] == "READY", "what it said before it was set is not made up for"

    allocator.call("POST", f"/v1/{name}:stop", token, json={})
    allocator.wait(token, name, "STOPPED")
    planned = until(lambda: read(allocator, token, name), lambda one: "planned" in one)["planned"]
    assert planned["desiredState"] == "RUNNING"

    schedule["timeZone"] = "Atlantis/Capital"
    body = {"schedule": schedule}
    refused = allocator.call("PATCH", f"/v1/{name}?updateMask=schedule", token, json=body)
    assert (refused.status_code, refused.json()["reason"]) == (400, "SCHEDULE_INVALID")
    assert "allocation.schedule.time_zone" in refused.text
    assert "schedule" not in changed(allocator, token, name, {}, "schedule")
    allocator.call("DELETE", f"/v1/{name}", token)


def test_times_that_cannot_be_are_refused(allocator: AllocatorProcess) -> None:
    token = allocator.person(f"{uuid4().hex[:12]}@example.org")
    for body, reason in (
        ({"expireTime": in_seconds(-60)}, "EXPIRE_TIME_INVALID"),
        ({"idlePolicy": {"timeout": "0.5s"}}, "IDLE_TIMEOUT_INVALID"),
        ({"idlePolicy": {"timeout": "315576000000s"}}, "IDLE_TIMEOUT_INVALID"),
        ({"schedule": {"timeZone": "UTC", "actions": []}}, "SCHEDULE_INVALID"),
        ({"resourceClass": "enormous"}, "REQUEST_INVALID"),
    ):
        wanted = {"machine": "machines/ticker", **body}
        refused = allocator.call("POST", "/v1/allocations", token, json=wanted)
        assert (refused.status_code, refused.json()["reason"]) == (400, reason), refused.text


def lines(allocator: AllocatorProcess, token: str, name: str, wanted: str) -> None:
    """Waits for a line of the log."""

    def found() -> str:
        return str(allocator.call("GET", f"/v1/{name}/lines", token).text)

    until(found, lambda text: wanted in text)


def test_it_becomes_one_of_the_newest_version_and_keeps_what_it_had(
    allocator: AllocatorProcess,
) -> None:
    admin, machine = allocator.admin(), f"m-{uuid4().hex[:8]}"
    variables = [
        {"key": "COLOUR", "defaultValue": "red"},
        {"key": "SECRET", "secret": True},
    ]
    body = {
        "title": "Counts",
        "image": "busybox:latest",
        "command": ["sh", "-c", COUNTS],
        "probe": {"log": {"pattern": "^run "}},
        "stopGrace": "1s",
        "variables": variables,
        "ports": [{"number": 8080}],
        "volumes": [{"path": "/data", "sizeMib": 16, "title": "runs"}],
    }
    made = allocator.call("POST", f"/v1/machines?machineId={machine}", admin, json=body)
    assert made.status_code == 200, made.text
    allocator.call("POST", f"/v1/machines/{machine}:publish", admin, json={})
    token = allocator.person(f"{uuid4().hex[:12]}@example.org")
    first = allocator.rent(token, machine, COLOUR="blue", SECRET="hush")
    name = first["name"]
    ready = allocator.wait(token, name, "READY", "FAILED")
    assert ready["state"] == "READY", ready
    lines(allocator, token, name, "run 1 blue hush")

    newer = {
        "title": "Counts more",
        "variables": [*variables, {"key": "SIZE", "required": True}],
        "command": ["sh", "-c", COUNTS.replace("$SECRET", "$SECRET $SIZE")],
    }
    mask = "title,variables,command"
    updated = allocator.call(
        "PATCH", f"/v1/machines/{machine}?updateMask={mask}", admin, json=newer
    )
    assert updated.status_code == 200, updated.text

    missing = allocator.call("POST", f"/v1/{name}:recreate", token, json={})
    assert (missing.status_code, missing.json()["reason"]) == (400, "VARIABLE_MISSING")
    assert "SIZE" in missing.text
    given = {"variables": [{"key": "SIZE", "value": "large"}]}
    remade = allocator.call("POST", f"/v1/{name}:recreate", token, json=given)
    assert remade.status_code == 200, remade.text
    lines(allocator, token, name, "run 2 blue hush large")
    again = allocator.wait(token, name, "READY")
    assert again["generation"] == 2
    assert again["machineTitle"] == "Counts more"
    assert again["machineVersion"] > first["machineVersion"]
    assert (again["host"], again["port"]) == (ready["host"], ready["port"])

    # A stopped one becomes it at its next start.
    allocator.call("POST", f"/v1/{name}:stop", token, json={})
    allocator.wait(token, name, "STOPPED")
    allocator.call("POST", f"/v1/{name}:recreate", token, json={})
    assert read(allocator, token, name)["state"] == "STOPPED"
    allocator.call("POST", f"/v1/{name}:start", token, json={})
    lines(allocator, token, name, "run 3 blue hush large")
    assert allocator.wait(token, name, "READY")["generation"] == 3

    crowded = {"volumes": [{"path": f"/v{n}", "sizeMib": 1} for n in range(8)]}
    allocator.call("PATCH", f"/v1/machines/{machine}?updateMask=volumes", admin, json=crowded)
    refused = allocator.call("POST", f"/v1/{name}:recreate", token, json={})
    assert (refused.status_code, refused.json()["reason"]) == (400, "MACHINE_TOO_DIFFERENT")
    allocator.call("DELETE", f"/v1/{name}", token)


def addresses(allocation: dict[str, Any]) -> dict[int, tuple[str, int]]:
    """Where each port of its machine answers."""
    return {one["containerPort"]: (one["host"], one["port"]) for one in allocation["endpoints"]}


def served(address: tuple[str, int], path: str) -> str:
    """What an address answers, once it does."""
    host, port = address

    def answer() -> str | None:
        try:
            return httpx2.get(f"http://{host}:{port}/{path}", timeout=5).text.strip()
        except httpx2.HTTPError:
            return None

    return str(until(answer, lambda text: text is not None))


def test_a_newer_version_may_have_other_ports_and_more_volumes(
    allocator: AllocatorProcess,
) -> None:
    admin, machine = allocator.admin(), f"m-{uuid4().hex[:8]}"
    body = {
        "title": "Serves",
        "image": "busybox:latest",
        "command": ["sh", "-c", SERVES + SERVES_ONE],
        "probe": {"tcp": {}},
        "stopGrace": "1s",
        "ports": [{"number": 8080}, {"number": 8081}],
        "volumes": [{"path": "/data", "sizeMib": 16}],
    }
    made = allocator.call("POST", f"/v1/machines?machineId={machine}", admin, json=body)
    assert made.status_code == 200, made.text
    allocator.call("POST", f"/v1/machines/{machine}:publish", admin, json={})
    token = allocator.person(f"{uuid4().hex[:12]}@example.org")
    name = allocator.rent(token, machine)["name"]
    before = allocator.wait(token, name, "READY", "FAILED")
    assert before["state"] == "READY", before
    was = addresses(before)
    assert served(was[8080], "kept") == served(was[8081], "kept") == "of the first"

    newer = {
        "command": ["sh", "-c", SERVES + SERVES_OTHERS],
        "ports": [{"number": 9090}, {"number": 8080}],
        "volumes": [{"path": "/more", "sizeMib": 8}, {"path": "/data", "sizeMib": 16}],
    }
    mask = "command,ports,volumes"
    updated = allocator.call(
        "PATCH", f"/v1/machines/{machine}?updateMask={mask}", admin, json=newer
    )
    assert updated.status_code == 200, updated.text
    remade = allocator.call("POST", f"/v1/{name}:recreate", token, json={})
    assert remade.status_code == 200, remade.text
    after = until(
        lambda: read(allocator, token, name),
        lambda one: one["generation"] == 2 and one["state"] in ("READY", "FAILED"),
    )
    assert after["state"] == "READY", after
    now = addresses(after)
    assert set(now) == {8080, 9090}
    assert now[8080] == was[8080]
    assert (after["host"], after["port"]) == now[9090], "the first one is the main one"
    assert served(now[8080], "kept") == "of the first"
    assert served(now[9090], "new") == "of the second"
    had = {one["path"]: one["volume"] for one in after["volumes"]}
    assert had["/data"] == before["volumes"][0]["volume"]
    listed = allocator.call("GET", "/v1/volumes", token).json()["volumes"]
    assert {one["name"]: one["sizeLimitMib"] for one in listed} == {
        had["/data"]: 16,
        had["/more"]: 8,
    }

    gone = was[8081]
    assert gone[1] not in leased_ports(allocator.data_dir)
    with closing(socket.socket()) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(gone)
    allocator.call("DELETE", f"/v1/{name}", token)
    allocator.wait(token, name, "DELETED")
    assert not {port for _, port in now.values()} & set(leased_ports(allocator.data_dir))


def test_another_class_counts_from_the_next_start_on(allocator: AllocatorProcess) -> None:
    token = allocator.person(f"{uuid4().hex[:12]}@example.org")
    name = allocator.rent(token, "ticker")["name"]
    ready = allocator.wait(token, name, "READY")
    updated = changed(allocator, token, name, {"resourceClass": "nano"}, "resourceClass")
    assert updated["resourceClass"] == "nano"
    assert updated["state"] == "READY"
    allocator.call("POST", f"/v1/{name}:restart", token, json={})

    inspected = allocator.call("GET", f"/v1/{name}:inspect", token).json()
    assert int(inspected["memoryBytes"]) == 128 * 2**20
    again = allocator.wait(token, name, "READY")
    assert (again.get("host"), again.get("port")) == (ready.get("host"), ready.get("port"))
    assert again["generation"] == 1
    refused = allocator.call(
        "PATCH",
        f"/v1/{name}?updateMask=resourceClass",
        token,
        json={"resourceClass": "enormous"},
    )
    assert refused.status_code == 400
    assert "allocation.resource_class" in refused.text
    allocator.call("DELETE", f"/v1/{name}", token)
