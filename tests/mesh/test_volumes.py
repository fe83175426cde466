"""What an allocation keeps: written by one run of its program, read by the next, gone with it."""

from __future__ import annotations

import json
import subprocess
import time
from uuid import uuid4

from allocator_process import AllocatorProcess

# Counts its runs in the volume, and ends cleanly at SIGINT only.
COUNTS = """
trap 'echo asked to end; exit 0' INT
trap '' TERM
echo x >> "$ALLOCATOR_VOLUME_1/runs"
echo "run $(wc -l < "$ALLOCATOR_VOLUME_1/runs" | tr -d ' ')"
while :; do sleep 0.1; done
"""


def kept_on_the_host(running: AllocatorProcess, allocation: str, runtime: str) -> list[str]:
    """The volumes of an allocation, as the host itself has them."""
    if runtime == "process":
        identity = allocation.rpartition("/")[2]
        return [f.name for f in (running.data_dir / "instances").glob(f"{identity}-volumes")]
    label = f"label=allocator.allocation={allocation}"
    told = subprocess.run(
        ["docker", "volume", "ls", "--filter", label, "--format", "{{json .}}"],
        capture_output=True,
        check=True,
        timeout=30,
    )
    return [json.loads(line)["Name"] for line in told.stdout.splitlines()]


def lines(running: AllocatorProcess, token: str, name: str, wanted: str) -> list[str]:
    """The lines of the log, once one of them is as wanted."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        answer = running.call("GET", f"/v1/{name}/lines", token)
        assert answer.status_code == 200, answer.text
        found = [
            text
            for record in answer.json().get("records", [])
            for text in record.get("log", {}).get("text", "").split("\n")
        ]
        if wanted in found or wanted in answer.text:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{wanted!r} is not in {answer.text}")


def test_a_volume_outlasts_a_stop_and_a_restart_and_goes_with_its_allocation(
    embedded: AllocatorProcess, request
) -> None:
    runtime = request.node.callspec.params["embedded"]
    admin, machine = embedded.admin(), f"m-{uuid4().hex[:8]}"
    body = {
        "title": "Counts its runs",
        "image": "busybox:latest",
        "command": ["sh", "-c", COUNTS],
        "probe": {"log": {"pattern": "^run "}},
        "stopSignal": "SIGINT",
        "stopGrace": "20s",
        "runAs": "1000:1000",
        "volumes": [{"path": "/data", "sizeMib": 16, "title": "runs"}],
    }
    made = embedded.call("POST", f"/v1/machines?machineId={machine}", admin, json=body)
    assert made.status_code == 200, made.text
    assert made.json()["volumes"] == body["volumes"]
    embedded.call("POST", f"/v1/machines/{machine}:publish", admin, json={})

    token = embedded.person(f"{uuid4().hex[:12]}@example.org")
    first, other = (embedded.rent(token, machine)["name"] for _ in range(2))
    for name in (first, other):
        ready = embedded.wait(token, name, "READY", "FAILED")
        assert ready["state"] == "READY", ready
        lines(embedded, token, name, "run 1")
        assert len(kept_on_the_host(embedded, name, runtime)) == 1

    embedded.call("POST", f"/v1/{first}:stop", token, json={})
    stopped = embedded.wait(token, first, "STOPPED")
    assert stopped["stateReason"].get("exitCode", 0) == 0, (
        "it was asked by the signal that it obeys"
    )
    lines(embedded, token, first, "asked to end")
    embedded.call("POST", f"/v1/{first}:start", token, json={})
    lines(embedded, token, first, "run 2")
    embedded.wait(token, first, "READY")
    embedded.call("POST", f"/v1/{first}:restart", token, json={})
    lines(embedded, token, first, "run 3")
    embedded.wait(token, first, "READY")

    embedded.call("DELETE", f"/v1/{first}", token)
    embedded.wait(token, first, "DELETED")
    assert kept_on_the_host(embedded, first, runtime) == []
    assert len(kept_on_the_host(embedded, other, runtime)) == 1, "another's is left alone"
    embedded.call("DELETE", f"/v1/{other}", token)
    embedded.wait(token, other, "DELETED")
    assert kept_on_the_host(embedded, other, runtime) == []


def test_a_volume_in_a_folder_of_the_system_is_refused(embedded: AllocatorProcess) -> None:
    body = {"title": "t", "image": "a", "volumes": [{"path": "/etc", "sizeMib": 1}]}
    path = f"/v1/machines?machineId=m-{uuid4().hex[:8]}"
    refused = embedded.call("POST", path, embedded.admin(), json=body)
    assert (refused.status_code, refused.json()["reason"]) == (400, "VOLUME_INVALID")
    for volume in (
        {"path": "data", "sizeMib": 1},
        {"path": "/data"},
        {"path": "/d", "sizeMib": -1},
    ):
        refused = embedded.call("POST", path, embedded.admin(), json={**body, "volumes": [volume]})
        assert (refused.status_code, refused.json()["reason"]) == (400, "REQUEST_INVALID")
