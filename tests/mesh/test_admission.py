"""Room that is short, as people meet it: over REST and gRPC, embedded and on the mesh."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import httpx2
import pytest
from allocator.allocations.v1 import (
    allocation_pb2,
    allocation_service_pb2,
    allocation_service_pb2_grpc,
    quota_service_pb2,
    quota_service_pb2_grpc,
    resource_class_pb2,
    resource_class_service_pb2,
    resource_class_service_pb2_grpc,
)
from allocator_process import AllocatorProcess

MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
COPIED = ("title", "image", "command", "ports", "variables", "probe", "stopGrace", "runAs")
WIDE = "adm-wide"


def reason(answer: httpx2.Response) -> str:
    return str(answer.json().get("reason"))


def asks(
    running: AllocatorProcess, token: str, machine: str = WIDE, **query: str
) -> httpx2.Response:
    """Asks for one more."""
    body = {"machine": f"machines/{machine}"}
    return running.call("POST", "/v1/allocations", token, json=body, params=query)


def waits(running: AllocatorProcess, token: str, **query: str) -> dict[str, Any]:
    """Asks for one more, and waits for it."""
    answer = asks(running, token, whenFull="WAIT", **query)
    assert answer.status_code == 200, answer.text
    found = dict(answer.json())
    assert found["state"] == "PENDING", found
    return found


def shown(running: AllocatorProcess, token: str, name: str) -> dict[str, Any]:
    """An allocation as it is now."""
    return dict(running.call("GET", f"/v1/{name}", token).json())


@pytest.fixture
def people(running: AllocatorProcess) -> Iterator[dict[str, str]]:
    """Nothing is rented; there is a machine of which only one fits."""
    admin = running.admin()
    running.remove_everything()
    size = {"cpuMillis": 100, "memoryBytes": str(MEMORY * 6 // 10), "pids": 64}
    running.call(
        "POST", "/v1/resourceClasses", admin, json=size, params={"resourceClassId": "adm-wide"}
    )
    if running.call("GET", f"/v1/machines/{WIDE}", admin).status_code == 404:
        machine = running.call("GET", "/v1/machines/ticker", admin).json()
        body = {name: machine[name] for name in COPIED if machine.get(name)}
        made = running.call(
            "POST",
            "/v1/machines",
            admin,
            json={**body, "resourceClass": "adm-wide", "title": "Wide"},
            params={"machineId": WIDE},
        )
        assert made.status_code == 200, made.text
        published = running.call("POST", f"/v1/machines/{WIDE}:publish", admin, json={})
        assert published.status_code == 200, published.text
    yield {
        "admin": admin,
        **{
            name: running.person(f"{name}-{uuid.uuid4().hex[:8]}@adm.example")
            for name in ("ada", "bob", "eve")
        },
    }
    running.remove_everything()


@contextmanager
def watched(running: AllocatorProcess, token: str, name: str) -> Iterator[list[tuple[str, int]]]:
    """The states and places of an allocation, as they are streamed over gRPC."""
    seen: list[tuple[str, int]] = []
    channel = running.channel()
    stream = allocation_service_pb2_grpc.AllocationServiceStub(channel).WatchAllocations(
        allocation_service_pb2.WatchAllocationsRequest(name=name),
        metadata=[("authorization", f"Bearer {token}")],
        timeout=120,
    )

    def listen() -> None:
        try:
            for told in stream:
                if told.HasField("allocation"):
                    state = allocation_pb2.Allocation.State.Name(told.allocation.state)
                    seen.append((state, told.allocation.queue.position))
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.CANCELLED  # noqa: PT017 - in a thread

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        yield seen
    finally:
        stream.cancel()
        listener.join(10)
        channel.close()


def test_who_finds_no_room_is_refused_or_waits_in_turn(
    running: AllocatorProcess, people: dict[str, str]
) -> None:
    first = asks(running, people["ada"]).json()
    refused = asks(running, people["bob"])
    assert (refused.status_code, reason(refused)) == (429, "CAPACITY_EXHAUSTED")
    assert int(refused.headers["retry-after"]) > 0

    second = waits(running, people["bob"], maxWait="600s")
    assert (second["queue"]["position"], second["queue"]["length"]) == (1, 1)
    assert second["queue"]["waitingFor"]["reason"] == "CAPACITY_EXHAUSTED"
    assert second["queue"]["deadline"]
    assert not second.get("host")
    third = waits(running, people["eve"])
    assert third["queue"]["position"] == 2

    estimate = running.call(
        "POST", "/v1/allocations:estimate", people["ada"], json={"machine": f"machines/{WIDE}"}
    ).json()
    assert not estimate.get("canRunNow")
    assert estimate["canEverRun"]
    assert {each["reason"] for each in estimate["obstacles"]} == {
        "CAPACITY_EXHAUSTED",
        "OTHERS_WAIT",
    }
    assert estimate["queue"]["position"] == 3

    with watched(running, people["eve"], third["name"]) as seen:
        cancelled = running.call("POST", f"/v1/{second['name']}:cancel", people["bob"], json={})
        assert cancelled.json()["state"] == "DELETED"
        assert cancelled.json()["stateReason"]["reason"] == "CANCELLED_BY_OWNER"
        # Nothing has changed of the third one but its place.
        until_seen(seen, ("PENDING", 1))
        running.call("DELETE", f"/v1/{first['name']}", people["ada"])
        ready = running.wait(people["eve"], third["name"], "READY", "FAILED")
        assert ready["state"] == "READY", ready
        running.wait(people["ada"], first["name"], "DELETED")
        until_seen(seen, ("READY", 0))
    assert "queue" not in ready


def until_seen(seen: list[tuple[str, int]], wanted: tuple[str, int]) -> None:
    """Waits until the stream has told something."""
    until = time.monotonic() + 30
    while wanted not in seen:
        assert time.monotonic() < until, seen
        time.sleep(0.02)


def test_what_is_stopped_gives_room_and_has_to_wait_for_it_again(
    running: AllocatorProcess, people: dict[str, str]
) -> None:
    name = asks(running, people["ada"]).json()["name"]
    before = running.wait(people["ada"], name, "READY")
    running.call("POST", f"/v1/{name}:stop", people["ada"], json={})
    running.wait(people["ada"], name, "STOPPED")
    other = asks(running, people["bob"]).json()
    refused = running.call("POST", f"/v1/{name}:start", people["ada"], json={})
    assert (refused.status_code, reason(refused)) == (429, "CAPACITY_EXHAUSTED")
    pending = running.call("POST", f"/v1/{name}:start", people["ada"], json={"whenFull": "WAIT"})
    assert pending.json()["state"] == "PENDING", pending.text
    assert pending.json().get("port") == before.get("port")
    running.wait(people["bob"], other["name"], "READY")
    running.call("DELETE", f"/v1/{other['name']}", people["bob"])
    again = running.wait(people["ada"], name, "READY")
    assert again.get("port") == before.get("port")


def test_a_wait_has_an_end(running: AllocatorProcess, people: dict[str, str]) -> None:
    asks(running, people["ada"])
    name = waits(running, people["bob"], maxWait="1s")["name"]
    given_up = running.wait(people["bob"], name, "DELETED")
    assert given_up["stateReason"]["reason"] == "WAIT_TIMED_OUT"
    late = running.call("POST", f"/v1/{name}:cancel", people["bob"], json={})
    assert (late.status_code, reason(late)) == (400, "ALLOCATION_NOT_WAITING")


def test_an_admin_says_who_is_next(running: AllocatorProcess, people: dict[str, str]) -> None:
    asks(running, people["ada"])
    bob, eve = waits(running, people["bob"]), waits(running, people["eve"])
    stop = running.call("POST", f"/v1/{eve['name']}:stop", people["eve"], json={})
    assert (stop.status_code, reason(stop)) == (400, "ALLOCATION_WAITING")
    path = f"/v1/{eve['name']}:prioritize"
    assert running.call("POST", path, people["eve"], json={}).status_code == 403
    moved = running.call("POST", path, people["admin"], json={"position": 1})
    assert moved.json()["queue"]["position"] == 1
    assert shown(running, people["bob"], bob["name"])["queue"]["position"] == 2
    foreign = running.call("POST", f"/v1/{eve['name']}:cancel", people["bob"], json={})
    assert foreign.status_code == 404
    ended = running.call("POST", f"/v1/{eve['name']}:cancel", people["admin"], json={})
    assert ended.json()["stateReason"]["reason"] == "CANCELLED_BY_ADMIN"


def test_a_quota_is_shown_and_set_for_one_person(
    running: AllocatorProcess, people: dict[str, str]
) -> None:
    owner = running.call("GET", "/v1/users/me", people["ada"]).json()["name"]
    mine = running.call("GET", "/v1/users/me/quota", people["ada"]).json()
    assert mine["name"] == f"{owner}/quota"
    assert mine["limits"]["instances"] == 10
    path = f"/v1/{owner}/quota"
    assert running.call("GET", path, people["bob"]).status_code == 403
    assert (
        running.call(
            "PATCH", path, people["ada"], json={"overrides": {"instances": 99}}
        ).status_code
        == 403
    )
    body = {"overrides": {"instances": 1}, "etag": mine["etag"]}
    changed = running.call("PATCH", path, people["admin"], json=body)
    assert changed.json()["limits"]["instances"] == 1, changed.text
    stale = running.call("PATCH", path, people["admin"], json=body)
    assert stale.status_code == 409
    assert asks(running, people["ada"], "ticker").status_code == 200
    refused = asks(running, people["ada"], "ticker", whenFull="WAIT")
    assert (refused.status_code, reason(refused)) == (429, "QUOTA_EXCEEDED")
    stub = quota_service_pb2_grpc.QuotaServiceStub(running.channel())
    told = stub.GetQuota(
        quota_service_pb2.GetQuotaRequest(name="users/me/quota"),
        metadata=[("authorization", f"Bearer {people['ada']}")],
        timeout=10,
    )
    assert (told.used.instances, told.used.cpu_millis) == (1, told.used.cpu_millis)
    assert told.used.cpu_millis > 0
    back = running.call(
        "PATCH", path, people["admin"], json={"name": path}, params={"updateMask": "overrides"}
    )
    assert back.json()["limits"]["instances"] == 10, back.text
    assert running.call("GET", "/v1/users/me/quota", people["admin"]).json()["limits"] == {
        "instances": -1,
        "cpuMillis": -1,
        "memoryBytes": "-1",
        "diskBytes": "-1",
    }


def test_admins_define_resource_classes(running: AllocatorProcess, people: dict[str, str]) -> None:
    listed = running.call("GET", "/v1/resourceClasses", people["ada"]).json()["resourceClasses"]
    names = [each["name"].removeprefix("resourceClasses/") for each in listed]
    assert {"nano", "small", "medium", "large"} <= set(names)
    assert [each["name"] for each in listed if each.get("isDefault")] == ["resourceClasses/small"]
    stub = resource_class_service_pb2_grpc.ResourceClassServiceStub(running.channel())
    as_admin = [("authorization", f"Bearer {people['admin']}")]
    huge = resource_class_pb2.ResourceClass(
        title="Huge", cpu_millis=100, memory_bytes=2 * MEMORY, pids=64
    )
    request = resource_class_service_pb2.CreateResourceClassRequest(
        resource_class=huge, resource_class_id="adm-huge"
    )
    with pytest.raises(grpc.RpcError) as denied:
        stub.CreateResourceClass(
            request, metadata=[("authorization", f"Bearer {people['ada']}")], timeout=10
        )
    assert denied.value.code() is grpc.StatusCode.PERMISSION_DENIED
    stub.CreateResourceClass(request, metadata=as_admin, timeout=10)
    path = "/v1/resourceClasses/adm-huge"
    try:
        with pytest.raises(grpc.RpcError) as twice:
            stub.CreateResourceClass(request, metadata=as_admin, timeout=10)
        assert twice.value.code() is grpc.StatusCode.ALREADY_EXISTS
        running.call(
            "PATCH", f"/v1/machines/{WIDE}", people["admin"], json={"resourceClass": "adm-huge"}
        )
        never = asks(running, people["ada"], whenFull="WAIT")
        assert (never.status_code, reason(never)) == (400, "NEVER_FITS")
        changed = running.call("PATCH", path, people["admin"], json={"memoryBytes": "67108864"})
        assert changed.json()["memoryBytes"] == "67108864"
        assert changed.json()["title"] == "Huge"
        now = asks(running, people["ada"]).json()
        assert now["resourceClass"] == "adm-huge"
    finally:
        running.call(
            "PATCH", f"/v1/machines/{WIDE}", people["admin"], json={"resourceClass": "adm-wide"}
        )
        running.call("DELETE", path, people["admin"])
    assert running.call("GET", path, people["ada"]).status_code == 404
    default = running.call("DELETE", "/v1/resourceClasses/small", people["admin"])
    assert (default.status_code, reason(default)) == (400, "RESOURCE_CLASS_IS_DEFAULT")
