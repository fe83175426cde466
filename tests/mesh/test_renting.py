"""Renting a machine from end to end, on every runtime, by every way in."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
import uuid

import httpx2
import pytest
from allocator.allocations.v1 import allocation_service_pb2, allocation_service_pb2_grpc
from allocator.consoles.v1 import console_service_pb2, console_service_pb2_grpc
from allocator_process import ROOT, AllocatorProcess

from allocctl.sequence import SequenceChecker


def answers(host: str, port: int) -> bytes:
    with socket.create_connection((host, port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return connection.recv(4096)


def test_it_prints_where_to_look(embedded: AllocatorProcess) -> None:
    for wanted in (embedded.http, embedded.grpc, "admin.json", "runtime", "mailbox"):
        assert wanted in embedded.banner


def test_a_person_rents_reaches_stops_starts_restarts_and_removes(
    running: AllocatorProcess,
) -> None:
    token = running.person("ada@example.org")
    rented = running.rent(token, "http-files")
    assert rented["host"], "the address is there at once"
    assert rented["port"]
    ready = running.wait(token, rented["name"], "READY", "FAILED")
    assert ready["state"] == "READY", ready
    assert answers(ready["host"], ready["port"]).startswith(b"HTTP/1.")

    inspected = running.call("GET", f"/v1/{rented['name']}:inspect", token).json()
    assert inspected["instanceState"] == "READY"
    first = inspected["incarnation"]

    running.call("POST", f"/v1/{rented['name']}:stop", token, json={})
    stopped = running.wait(token, rented["name"], "STOPPED")
    assert stopped["stateReason"]["reason"] == "STOPPED_BY_OWNER"
    with pytest.raises(OSError):
        answers(ready["host"], ready["port"])

    running.call("POST", f"/v1/{rented['name']}:start", token, json={})
    again = running.wait(token, rented["name"], "READY")
    assert (again["host"], again["port"]) == (ready["host"], ready["port"])
    assert answers(ready["host"], ready["port"])

    running.call("POST", f"/v1/{rented['name']}:restart", token, json={})
    until = time.monotonic() + 30
    while time.monotonic() < until:
        inspected = running.call("GET", f"/v1/{rented['name']}:inspect", token).json()
        if inspected["incarnation"] >= first + 2 and inspected["allocation"]["state"] == "READY":
            break
        time.sleep(0.05)
    assert inspected["incarnation"] == first + 2
    assert answers(ready["host"], ready["port"])

    running.call("DELETE", f"/v1/{rented['name']}", token)
    gone = running.wait(token, rented["name"], "DELETED")
    assert gone["stateReason"]["reason"] == "REMOVED_BY_OWNER"
    with pytest.raises(OSError):
        answers(ready["host"], ready["port"])


def test_another_persons_allocation_is_not_found_anywhere(running: AllocatorProcess) -> None:
    owner, stranger = running.person("owner@example.org"), running.person("stranger@example.org")
    name = running.rent(owner, "ticker")["name"]
    for verb, path in (
        ("GET", f"/v1/{name}"),
        ("PATCH", f"/v1/{name}"),
        ("DELETE", f"/v1/{name}"),
        ("POST", f"/v1/{name}:start"),
        ("POST", f"/v1/{name}:stop"),
        ("POST", f"/v1/{name}:restart"),
        ("GET", f"/v1/{name}:inspect"),
        ("GET", f"/v1/{name}/lines"),
        ("GET", f"/v1/{name}/console:follow"),
    ):
        body = {"json": {"displayName": "mine"} if verb == "PATCH" else {}}
        answer = running.call(verb, path, stranger, **(body if verb in ("PATCH", "POST") else {}))
        assert (answer.status_code, answer.json()["reason"]) == (404, "ALLOCATION_NOT_FOUND"), path
    assert asyncio.run(console_end(running, name, stranger)) == (4404, "ALLOCATION_NOT_FOUND")
    listed = running.call("GET", "/v1/allocations", stranger).json()["allocations"]
    assert name not in [one["name"] for one in listed]
    running.call("DELETE", f"/v1/{name}", owner)


async def console_end(running: AllocatorProcess, name: str, token: str) -> tuple[int, str]:
    async with running.connect(f"/v1/{name}/console") as console:
        await console.send(json.dumps({"auth": {"token": token}}))
        bye = json.loads(await console.recv())["bye"]
        await console.wait_closed()
        return console.close_code or 0, bye["reason"]


def test_a_log_is_watched_live_and_resumed_without_a_hole(running: AllocatorProcess) -> None:
    token = running.person("watcher@example.org")
    name = running.rent(token, "ticker", INTERVAL="0.1")["name"]
    running.wait(token, name, "READY")

    async def watch(cursor: int, wanted: int, checker: SequenceChecker) -> int:
        seen = 0
        kinds = set()
        async with running.connect(f"/v1/{name}/console") as console:
            await console.send(json.dumps({"auth": {"token": token}}))
            await console.send(json.dumps({"resume": {"cursor": str(cursor)}}))
            async with asyncio.timeout(30):
                while seen < wanted:
                    frame = json.loads(await console.recv())
                    kinds |= set(frame)
                    if "log" in frame:
                        first = int(frame["log"]["firstSeq"])
                        checker.feed(first, first + len(frame["log"]["texts"]) - 1)
                        seen += len(frame["log"]["texts"])
        assert {"hello", "state", "log"} <= kinds
        return checker.next

    checker = SequenceChecker(1)
    following = asyncio.run(watch(0, 5, checker))
    asyncio.run(watch(following, 5, checker))
    assert checker.lines >= 10
    running.call("DELETE", f"/v1/{name}", token)


def test_the_same_by_grpc(running: AllocatorProcess) -> None:
    token = running.person("grpc@example.org")
    metadata = (("authorization", f"Bearer {token}"),)
    with running.channel() as channel:
        allocations = allocation_service_pb2_grpc.AllocationServiceStub(channel)
        consoles = console_service_pb2_grpc.ConsoleServiceStub(channel)
        rented = allocations.CreateAllocation(
            allocation_service_pb2.CreateAllocationRequest(
                allocation={"machine": "machines/ticker"}
            ),
            metadata=metadata,
            timeout=30,
        )
        watching = allocations.WatchAllocations(
            allocation_service_pb2.WatchAllocationsRequest(name=rented.name),
            metadata=metadata,
            timeout=60,
        )
        states = []
        for update in watching:
            states.append(update.allocation.State.Name(update.allocation.state))
            if states[-1] == "READY":
                break
        watching.cancel()
        frames = consoles.FollowConsole(
            console_service_pb2.FollowConsoleRequest(name=rented.name, cursor=0),
            metadata=metadata,
            timeout=60,
        )
        first = next(frame.log for frame in frames if frame.HasField("log"))
        frames.cancel()
        assert first.first_seq == 1
        assert first.texts
        gone = allocations.DeleteAllocation(
            allocation_service_pb2.DeleteAllocationRequest(name=rented.name),
            metadata=metadata,
            timeout=30,
        )
        assert gone.desired_state == 3


def test_the_same_by_the_command_line(running: AllocatorProcess, tmp_path) -> None:
    environment = {
        **running.environment,
        "XDG_CONFIG_HOME": str(tmp_path),
        "ALLOCATOR_CLI_SERVER": f"https://{running.grpc}" if running.ca else running.grpc,
        "ALLOCATOR_CLI_CA": str(running.ca or ""),
    }

    def allocctl(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "allocctl", *arguments],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    allocctl("login", "--admin-file", str(running.admin_file))
    assert "ticker" in allocctl("machines")
    assert "is ready" in allocctl("allocate", "ticker", "--name", "mine")
    assert "mine" in allocctl("ls")
    assert "ready" in allocctl("inspect", "mine")
    assert json.loads(allocctl("ls", "-o", "json"))[0]["displayName"] == "mine"
    assert allocctl("logs", "mine", "--tail", "3", "--check")
    assert "is ready" in allocctl("restart", "mine")
    assert "is stopped" in allocctl("stop", "mine")
    assert "is ready" in allocctl("start", "mine")
    assert "is deleted" in allocctl("rm", "mine")


def test_a_request_sent_twice_rents_once(running: AllocatorProcess) -> None:
    token = running.person("twice@example.org")
    key = {"idempotency-key": str(uuid.uuid4())}
    body = {"machine": "machines/ticker"}
    first, second = (
        running.call("POST", "/v1/allocations", token, json=body, headers=key).json()
        for _ in range(2)
    )
    assert first == second
    other = running.call(
        "POST", "/v1/allocations", token, json={**body, "displayName": "x"}, headers=key
    )
    assert (other.status_code, other.json()["reason"]) == (409, "REQUEST_ID_REUSED")
    assert len(running.call("GET", "/v1/allocations", token).json()["allocations"]) == 1
    running.call("DELETE", f"/v1/{first['name']}", token)


def test_an_admin_keeps_the_catalogue_with_optimistic_locking(running: AllocatorProcess) -> None:
    admin, person = running.admin(), running.person("reader@example.org")
    body = {
        "title": "Greeter",
        "image": "python:3.11-slim",
        "command": [
            "python",
            "-u",
            "-c",
            "import os, time; print(os.environ['WHO']); time.sleep(600)",
        ],
        "probe": {"log": {"pattern": "."}},
        "variables": [
            {"key": "WHO", "title": "Whom", "required": True, "pattern": "[A-Z][a-z]+"},
            {"key": "KEY", "secret": True},
        ],
    }
    made = running.call("POST", "/v1/machines?machineId=greeter", admin, json=body)
    assert made.status_code == 200, made.text
    machine = made.json()
    assert machine["state"] == "DRAFT"
    assert running.call("GET", "/v1/machines/greeter", person).status_code == 404

    edited = running.call(
        "PATCH",
        "/v1/machines/greeter",
        admin,
        json={"title": "The greeter"},
        headers={"if-match": f'"{machine["etag"]}"'},
    )
    assert edited.json()["version"] == 2, edited.text
    stale = running.call(
        "PATCH",
        "/v1/machines/greeter",
        admin,
        json={"title": "Lost", "etag": machine["etag"]},
    )
    assert (stale.status_code, stale.json()["reason"]) == (409, "ETAG_STALE")

    running.call("POST", "/v1/machines/greeter:publish", admin, json={})
    for variables, reason in (
        ([], "VARIABLE_MISSING"),
        ([{"key": "WHO", "value": "lower"}], "VARIABLE_INVALID"),
        ([{"key": "WHO", "value": "Ada"}, {"key": "OTHER", "value": "x"}], "VARIABLE_UNKNOWN"),
    ):
        refused = running.call(
            "POST",
            "/v1/allocations",
            person,
            json={"machine": "machines/greeter", "variables": variables},
        )
        assert (refused.status_code, refused.json()["reason"]) == (400, reason)

    name = running.rent(person, "greeter", WHO="Ada", KEY="hush")["name"]
    ready = running.wait(person, name, "READY", "FAILED")
    assert ready["state"] == "READY", ready
    assert "hush" not in json.dumps(ready)
    lines = running.call("GET", f"/v1/{name}/lines", person).json()["lines"]
    assert [line["text"] for line in lines][:1] == ["Ada"]

    running.call("POST", "/v1/machines/greeter:retire", admin, json={})
    refused = running.call(
        "POST",
        "/v1/allocations",
        person,
        json={"machine": "machines/greeter", "variables": [{"key": "WHO", "value": "Ada"}]},
    )
    assert (refused.status_code, refused.json()["reason"]) == (400, "MACHINE_NOT_ACTIVE")
    assert running.call("GET", f"/v1/{name}", person).json()["state"] == "READY"
    running.call("DELETE", f"/v1/{name}", person)
    running.call("DELETE", "/v1/machines/greeter", admin)


def test_watching_over_http_brings_each_change(running: AllocatorProcess) -> None:
    token = running.person("stream@example.org")
    headers = {"authorization": f"Bearer {token}", "accept": "application/x-ndjson"}
    url = f"{running.url}/v1/allocations:watch"
    states: list[str] = []
    with httpx2.stream(
        "GET", url, headers=headers, timeout=30, trust_env=False, verify=running.trusts
    ) as stream:
        lines = stream.iter_lines()
        assert json.loads(next(lines))["complete"]
        name = running.rent(token, "ticker")["name"]
        for line in lines:
            update = json.loads(line)
            if update.get("allocation"):
                states.append(update["allocation"]["state"])
                if states[-1] == "READY":
                    running.call("DELETE", f"/v1/{name}", token)
                if states[-1] == "DELETED":
                    break
    assert states[0] == "PROVISIONING"
    assert "READY" in states


def test_a_disabled_person_is_out_at_once(running: AllocatorProcess) -> None:
    admin, token = running.admin(), running.person("out@example.org")
    me = running.call("GET", "/v1/users/me", token).json()["name"]
    assert running.call("POST", f"/v1/{me}:disable", admin, json={}).status_code == 200
    until = time.monotonic() + 5
    while time.monotonic() < until:
        answer = running.call("GET", "/v1/users/me", token)
        if answer.status_code == 401:
            break
        time.sleep(0.02)
    assert (answer.status_code, answer.json()["reason"]) == (401, "TOKEN_REVOKED")
