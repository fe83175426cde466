"""What happened to an allocation, what admins did, and what could not be taken in, from end to end."""

from __future__ import annotations

import json
import time
from typing import Any

import grpc
import pytest
from allocator.timeline.v1 import timeline_service_pb2, timeline_service_pb2_grpc
from allocator_process import AllocatorProcess

PATIENCE = 30.0


def until(found: Any, wanted: Any) -> Any:
    """What is found, once it is as it is wanted: facts take a moment."""
    ends = time.monotonic() + PATIENCE
    while not wanted(last := found()):
        assert time.monotonic() < ends, last
        time.sleep(0.05)
    return last


def timeline(running: AllocatorProcess, token: str, name: str, **query: str) -> list[Any]:
    answer = running.call("GET", f"/v1/{name}/timeline", token, params={"orderBy": "time", **query})
    return answer.json().get("events", [])


def test_the_owner_reads_what_happened_also_after_it_is_gone(running: AllocatorProcess) -> None:
    token = running.person("timeline-ada@example.org")
    rented = running.rent(token, "http-files")
    name = rented["name"]
    ready = running.wait(token, name, "READY", "FAILED")
    assert ready["state"] == "READY", ready
    running.call("POST", f"/v1/{name}:stop", token, json={})
    running.wait(token, name, "STOPPED")
    running.call("DELETE", f"/v1/{name}", token)
    running.wait(token, name, "DELETED")

    events = until(
        lambda: timeline(running, token, name),
        lambda found: any(event["text"].startswith("It is gone.") for event in found),
    )
    texts = [event["text"] for event in events]
    assert texts[0].endswith(f"rented {rented['machineTitle']}.")
    assert f"It answered on {ready['host']}:{ready['port']} after" in texts[1]
    assert texts[2].endswith("stopped it.")
    assert texts[3].startswith("It has stopped.")
    assert texts[4].endswith("removed it.")
    assert events[0]["actor"] == rented["owner"]
    assert events[0]["method"] == "allocator.allocations.v1.AllocationService/CreateAllocation"
    assert len(events[0]["traceId"]) == 32
    newest = timeline(running, token, name, orderBy="time desc", pageSize="1")
    assert newest == events[-1:]


def test_nobody_else_reads_it_but_admins(running: AllocatorProcess) -> None:
    token = running.person("timeline-bob@example.org")
    name = running.rent(token, "http-files")["name"]
    until(lambda: timeline(running, token, name), bool)
    other = running.person("timeline-eve@example.org")
    refused = running.client.get(
        f"/v1/{name}/timeline", headers={"authorization": f"Bearer {other}"}
    )
    assert (refused.status_code, refused.json()["reason"]) == (404, "ALLOCATION_NOT_FOUND")
    assert running.client.get(f"/v1/{name}/timeline").status_code == 401
    assert timeline(running, running.admin(), name)
    running.call("DELETE", f"/v1/{name}", token)


def test_it_is_read_over_grpc_too(running: AllocatorProcess) -> None:
    token = running.person("timeline-joe@example.org")
    name = running.rent(token, "http-files")["name"]
    until(lambda: timeline(running, token, name), bool)
    with running.channel() as channel:
        stub = timeline_service_pb2_grpc.TimelineServiceStub(channel)
        request = timeline_service_pb2.ListEventsRequest(parent=name)
        answer = stub.ListEvents(
            request, metadata=[("authorization", f"Bearer {token}")], timeout=10
        )
        assert answer.events
        with pytest.raises(grpc.RpcError) as refused:
            stub.ListEvents(request, timeout=10)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
    running.call("DELETE", f"/v1/{name}", token)


def test_admins_read_and_export_what_admins_did(running: AllocatorProcess) -> None:
    admin, person = running.admin(), running.person("timeline-amy@example.org")
    me = running.call("GET", "/v1/users/me", person).json()
    for deed in ("disable", "enable"):
        running.call("POST", f"/v1/{me['name']}:{deed}", admin, json={})

    def trail() -> list[Any]:
        query = {"filter": f'resource = "{me["name"]}"', "orderBy": "time"}
        return (
            running.call("GET", "/v1/auditEvents", admin, params=query)
            .json()
            .get("auditEvents", [])
        )

    events = until(trail, lambda found: len(found) >= 2)
    assert [event["method"].rpartition("/")[2] for event in events] == ["DisableUser", "EnableUser"]
    assert "disabled" in events[0]["text"]
    exported = running.call(
        "GET",
        "/v1/auditEvents:export",
        admin,
        params={"filter": f'resource = "{me["name"]}"'},
        headers={"accept": "application/x-ndjson"},
    )
    lines = [json.loads(line)["auditEvent"] for line in exported.text.splitlines()]
    assert lines == events
    refused = running.client.get("/v1/auditEvents", headers={"authorization": f"Bearer {person}"})
    assert refused.status_code in (401, 403)


def test_admins_read_dead_letters_and_nobody_else_does(running: AllocatorProcess) -> None:
    admin, person = running.admin(), running.person("timeline-ann@example.org")
    assert running.call("GET", "/v1/deadLetters", admin).json().get("deadLetters", []) == []
    missing = running.client.post(
        "/v1/deadLetters/99:replay", headers={"authorization": f"Bearer {admin}"}, json={}
    )
    assert (missing.status_code, missing.json()["reason"]) == (404, "DEAD_LETTER_NOT_FOUND")
    refused = running.client.get("/v1/deadLetters", headers={"authorization": f"Bearer {person}"})
    assert refused.status_code == 403
