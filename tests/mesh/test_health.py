"""Programs that end by themselves, or run without answering: what their owners see, and what is done."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from tests.visitor import Visitor

PATIENT = """
import http.server, os, sys

sick = False
starts = open("starts", "a+")
starts.write(".")
starts.flush()
starts.seek(0)
count = len(starts.read())


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global sick
        what = self.path.strip("/")
        if what.startswith("end"):
            print(f"the end was asked for: {what}", flush=True)
            os._exit(int(what[3:]))
        sick = what == "sick" or (sick and what != "well")
        self.send_response(500 if sick and not what else 200)
        self.end_headers()
        self.wfile.write(str(count).encode())

    def log_message(self, *_):
        pass


address = (os.environ.get("ALLOCATOR_BIND_ADDRESS") or "0.0.0.0", int(os.environ["PORT"]))
http.server.ThreadingHTTPServer(address, Server).serve_forever()
"""
HEART = """
import time

for beat in range(8):
    print("beat", beat, flush=True)
    time.sleep(0.4)
time.sleep(3600)
"""


def publish(running: Visitor, program: str, **fields: Any) -> str:
    """Puts a machine into the catalogue that runs a program; its id."""
    admin, machine = running.admin(), f"health-{uuid.uuid4().hex[:8]}"
    body = {
        "title": "Patient",
        "image": "python:3.11-slim",
        "command": ["python3", "-u", "-c", program],
        "resourceClass": "nano",
        "stopGrace": "2s",
        **fields,
    }
    made = running.call("POST", f"/v1/machines?machineId={machine}", admin, json=body)
    assert made.status_code == 200, made.text
    published = running.call("POST", f"/v1/machines/{machine}:publish", admin, json={})
    assert published.status_code == 200, published.text
    return machine


def patient(running: Visitor, *, restart: bool = False, policy: str = "ON_FAILURE") -> str:
    """A machine that is looked at each second, and is sick or ends as it is told."""
    return publish(
        running,
        PATIENT,
        ports=[{"number": 8000, "scheme": "http"}],
        restartPolicy=policy,
        probe={
            "http": {"path": "/"},
            "timeout": "30s",
            "liveness": {"restart": restart, "period": "1s", "failures": 2},
        },
    )


def tell(allocation: dict[str, Any], what: str = "starts") -> str:
    """Tells a program something; how often it was started, or nothing where it has ended of it."""
    try:
        url = f"http://{allocation['host']}:{allocation['port']}/{what}"
        return httpx2.get(url, timeout=5, trust_env=False).text
    except httpx2.HTTPError:
        return ""


def until(
    running: Visitor,
    token: str,
    name: str,
    wanted: Callable[[dict[str, Any]], bool],
    within: float = 40,
) -> dict[str, Any]:
    """The allocation once it is as wanted."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        found: dict[str, Any] = running.call("GET", f"/v1/{name}", token).json()
        if wanted(found):
            return found
        time.sleep(0.02)
    raise AssertionError(f"not as wanted after {within} s: {found}")


def test_a_program_that_ends_with_an_error_is_started_again_with_its_files_and_address(
    running: Visitor,
) -> None:
    token = running.person(f"{uuid.uuid4().hex[:8]}@example.org")
    name = running.rent(token, patient(running))["name"]
    ready = running.wait(token, name, "READY", "FAILED")
    assert (ready["state"], ready["restartPolicy"]) == ("READY", "ON_FAILURE"), ready
    assert tell(ready) == "1"
    tell(ready, "end3")
    planned = until(running, token, name, lambda one: "restarting in" in one.get("progress", ""))
    assert planned["progress"] == "restarting in 1 s after exit code 3"
    assert planned["state"] == "STARTING"
    reason = planned["stateReason"]
    assert (reason["reason"], reason["exitCode"]) == ("PROGRAM_FAILED", 3)
    assert reason["lastLines"][-1] == "the end was asked for: end3"
    again = until(
        running, token, name, lambda one: one["state"] == "READY" and one["restartCount"] == 1
    )
    assert (again["host"], again["port"]) == (ready["host"], ready["port"])
    assert again["generation"] == ready["generation"]
    assert tell(again) == "2", "the same files"

    # Another end: the wait is longer, and a stop in the middle of it wins at once.
    tell(ready, "end4")
    until(running, token, name, lambda one: "restarting in 2 s" in one.get("progress", ""))
    running.call("POST", f"/v1/{name}:stop", token, json={})
    stopped = running.wait(token, name, "STOPPED", within=5)
    assert stopped["restartCount"] == 0, "counted since its owner last asked"
    assert (stopped["host"], stopped["port"]) == (ready["host"], ready["port"])
    running.call("DELETE", f"/v1/{name}", token)
    running.wait(token, name, "DELETED")


def test_an_owner_chooses_another_policy_than_the_machine(running: Visitor) -> None:
    token = running.person(f"{uuid.uuid4().hex[:8]}@example.org")
    rented = running.rent(token, patient(running))
    name = rented["name"]
    changed = running.call("PATCH", f"/v1/{name}", token, json={"restartPolicy": "NEVER"})
    assert changed.status_code == 200, changed.text
    assert changed.json()["restartPolicy"] == "NEVER"
    tell(running.wait(token, name, "READY"), "end5")
    failed = running.wait(token, name, "FAILED")
    assert failed["stateReason"]["reason"] == "PROGRAM_FAILED"
    assert failed["stateReason"]["exitCode"] == 5
    assert failed["stateReason"]["lastLines"] == ["the end was asked for: end5"]
    back = running.call(
        "PATCH",
        f"/v1/{name}",
        token,
        params={"updateMask": "restartPolicy"},
        json={},
    )
    assert back.json()["restartPolicy"] == "ON_FAILURE", "the machine's again"
    running.call("DELETE", f"/v1/{name}", token)
    running.wait(token, name, "DELETED")


def test_one_that_does_not_answer_is_unhealthy_until_it_does(running: Visitor) -> None:
    token = running.person(f"{uuid.uuid4().hex[:8]}@example.org")
    name = running.rent(token, patient(running))["name"]
    ready = running.wait(token, name, "READY")
    tell(ready, "sick")
    unhealthy = running.wait(token, name, "UNHEALTHY")
    assert unhealthy["stateReason"]["reason"] == "PROBE_UNANSWERED"
    tell(ready, "well")
    well = running.wait(token, name, "READY")
    assert well["restartCount"] == 0
    assert tell(well) == "1", "it was left alone"
    tell(ready, "sick")
    running.wait(token, name, "UNHEALTHY")
    running.call("POST", f"/v1/{name}:restart", token, json={})
    running.wait(token, name, "READY")
    assert tell(ready) == "2"
    running.call("DELETE", f"/v1/{name}", token)
    running.wait(token, name, "DELETED")


def test_one_that_does_not_answer_is_restarted_where_its_machine_says_so(running: Visitor) -> None:
    token = running.person(f"{uuid.uuid4().hex[:8]}@example.org")
    name = running.rent(token, patient(running, restart=True, policy="NEVER"))["name"]
    ready = running.wait(token, name, "READY")
    tell(ready, "sick")
    again = until(
        running, token, name, lambda one: one["state"] == "READY" and one["restartCount"] == 1
    )
    assert tell(again) == "2"
    running.call("DELETE", f"/v1/{name}", token)
    running.wait(token, name, "DELETED")


@pytest.mark.parametrize("liveness", [{"period": "1s", "failures": 2}, None])
def test_a_log_that_falls_silent_counts_only_where_the_machine_says_so(
    running: Visitor, liveness: dict[str, Any] | None
) -> None:
    token = running.person(f"{uuid.uuid4().hex[:8]}@example.org")
    probe: dict[str, Any] = {"log": {"pattern": "^beat"}, "timeout": "30s"}
    if liveness is not None:
        probe["liveness"] = liveness
    name = running.rent(token, publish(running, HEART, probe=probe))["name"]
    running.wait(token, name, "READY")
    if liveness is not None:
        unhealthy = running.wait(token, name, "UNHEALTHY")
        assert unhealthy["stateReason"]["lastLines"][-1].startswith("beat")
    else:
        until(running, token, name, lambda _: "beat 7" in whole_log(running, token, name))
        assert running.call("GET", f"/v1/{name}", token).json()["state"] == "READY"
    running.call("DELETE", f"/v1/{name}", token)
    running.wait(token, name, "DELETED")


def whole_log(running: Visitor, token: str, name: str) -> str:
    """Its lines, as one text."""
    page = running.call("GET", f"/v1/{name}/lines", token).json()
    return "\n".join(line["text"] for line in page["lines"])
