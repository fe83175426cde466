"""What people are told of what happens: over REST, gRPC and server-sent events."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import grpc
import httpx2
import pytest
from allocator.notifications.v1 import notification_service_pb2, notification_service_pb2_grpc
from allocator_process import AllocatorProcess
from mesh_processes import MeshProcesses

Running = AllocatorProcess | MeshProcesses


@pytest.fixture(
    params=[
        "process",
        pytest.param(
            "mesh-docker",
            marks=[pytest.mark.real_mesh, pytest.mark.real_docker, pytest.mark.timeout(300)],
        ),
    ]
)
def running(request, installation) -> Running:
    """An allocator; what runs instances makes no difference to notices."""
    return installation(request.param)


def inbox(running: Running, token: str, **query: str) -> list[dict[str, Any]]:
    """The entries of an inbox."""
    answer = running.call("GET", "/v1/notifications", token, params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json().get("notifications", []))


def until_told(running: Running, token: str, kind: str, within: float = 20.0) -> dict[str, Any]:
    """The first entry of a kind, once it is there."""
    end = time.monotonic() + within
    found: list[dict[str, Any]] = []
    while time.monotonic() < end:
        found = inbox(running, token)
        for one in found:
            if one["kind"] == kind:
                return one
        time.sleep(0.02)
    raise AssertionError(f"no {kind} within {within} s, but {found}")


def events(response: httpx2.Response) -> Iterator[dict[str, Any]]:
    """What a stream of server-sent events brings."""
    for line in response.iter_lines():
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))


def test_a_person_is_welcomed_in_the_page_and_by_mail(running: Running) -> None:
    token = running.person("welcome@example.org")
    told = until_told(running, token, "WELCOME")
    assert told["title"] == "Welcome"
    assert told["name"].startswith("notifications/")
    assert told["resource"].startswith("users/")
    assert not told["read"]
    assert running.call("GET", f"/v1/{told['name']}", token).json() == told
    end = time.monotonic() + 20
    while True:
        mails = [one.read_text() for one in running.mailbox.glob("*welcome@example.org*.eml")]
        if any("Subject: Welcome" in mail for mail in mails):
            break
        assert time.monotonic() < end, mails
        time.sleep(0.02)


def test_what_is_read_is_counted_and_what_is_removed_is_gone(running: Running) -> None:
    token = running.person("inbox-reader@example.org")
    told = until_told(running, token, "WELCOME")

    def unread() -> int:
        answer = running.call("GET", "/v1/notifications:unreadCount", token)
        return int(answer.json()["unreadCount"])

    assert unread() == 1
    only = {"filter": "read = false"}
    assert [one["name"] for one in inbox(running, token, **only)] == [told["name"]]
    mark = {"names": [told["name"]]}
    answer = running.call("POST", "/v1/notifications:markRead", token, json=mark)
    assert answer.json()["unreadCount"] == 0
    assert unread() == 0
    assert inbox(running, token, **only) == []
    assert inbox(running, token)[0]["readTime"]
    answer = running.call("POST", "/v1/notifications:markRead", token, json={"all": True})
    assert answer.status_code == 200
    for neither in ({}, {"all": True, **mark}):
        answer = running.call("POST", "/v1/notifications:markRead", token, json=neither)
        assert answer.status_code == 400
    # Somebody else's inbox is not reached by its names, by admins neither.
    for other in (running.person("other@example.org"), running.admin()):
        answer = running.call("GET", f"/v1/{told['name']}", other)
        assert answer.json()["reason"] == "NOTIFICATION_NOT_FOUND"
        assert running.call("DELETE", f"/v1/{told['name']}", other).status_code == 404
    assert running.call("DELETE", f"/v1/{told['name']}", token).status_code == 200
    assert running.call("DELETE", f"/v1/{told['name']}", token).status_code == 404
    assert inbox(running, token) == []


def test_what_happens_to_an_allocation_is_pushed_as_it_happens(running: Running) -> None:
    token = running.person("renter@example.org")
    until_told(running, token, "WELCOME")
    headers = {"authorization": f"Bearer {token}"}
    with (
        running.open_client() as client,
        client.stream("GET", "/v1/notifications:watch", headers=headers) as stream,
    ):
        seen = events(stream)
        begun = next(seen)
        assert "notification" not in begun
        assert begun["unreadCount"] == 1
        rented = running.rent(token, "echo", GREETING="hello")
        ready = next(one for one in seen if "notification" in one)
        assert ready["notification"]["kind"] == "ALLOCATION_READY"
        assert ready["notification"]["resource"] == rented["name"]
        assert str(running.wait(token, rented["name"], "READY")["port"]) in str(
            ready["notification"]["text"]
        )
        assert ready["unreadCount"] == 2
        # What is read elsewhere is told here.
        running.call("POST", "/v1/notifications:markRead", token, json={"all": True})
        assert next(seen)["unreadCount"] == 0
        running.call("DELETE", f"/v1/{rented['name']}", token)
        removed = next(one for one in seen if "notification" in one)
        assert removed["notification"]["kind"] == "ALLOCATION_REMOVED"
    # Who comes back with a cursor is told what has come since.
    query = {"cursor": ready["cursor"]}
    with (
        running.open_client() as client,
        client.stream("GET", "/v1/notifications:watch", headers=headers, params=query) as stream,
    ):
        again = next(one for one in events(stream) if "notification" in one)
        assert again["notification"]["name"] == removed["notification"]["name"]
    # A removal that one has asked for is no mail.
    assert not [
        mail
        for mail in running.mailbox.glob("*renter@example.org*.eml")
        if "was removed" in mail.read_text()
    ]


def test_the_stream_is_there_over_grpc_too(running: Running) -> None:
    token = running.person("streams@example.org")
    until_told(running, token, "WELCOME")
    metadata = (("authorization", f"Bearer {token}"),)
    with running.channel() as channel:
        stub = notification_service_pb2_grpc.NotificationServiceStub(channel)
        request = notification_service_pb2.WatchNotificationsRequest(cursor="0")
        stream = stub.WatchNotifications(request, metadata=metadata, timeout=30)
        first, second = next(stream), next(stream)
        assert not first.HasField("notification")
        assert second.notification.kind == "WELCOME"
        assert second.cursor == "1"
        stub.DeleteNotification(
            notification_service_pb2.DeleteNotificationRequest(name=second.notification.name),
            metadata=metadata,
            timeout=30,
        )
        assert next(stream).unread_count == 0
        stream.cancel()
        with pytest.raises(grpc.RpcError) as refused:
            next(stub.WatchNotifications(request, timeout=30))
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_preferences_say_what_comes_and_how(running: Running) -> None:
    token = running.person("prefers@example.org")
    until_told(running, token, "WELCOME")
    path = "/v1/users/me/notificationPreferences"
    before = running.call("GET", path, token).json()
    chosen = {one["kind"]: one for one in before["preferences"]}
    assert chosen["WELCOME"]["email"]
    assert not chosen["ALLOCATION_READY"]["email"]
    assert all(one["inPage"] and one["description"] for one in chosen.values())
    assert "DEAD_LETTER" not in chosen
    admins = running.call("GET", path, running.admin()).json()["preferences"]
    assert "DEAD_LETTER" in {one["kind"] for one in admins}

    changes = [
        {"kind": "ALLOCATION_READY", "email": True, "inPage": True},
        {"kind": "ALLOCATION_REMOVED", "inPage": False},
    ]
    body = {"preferences": changes, "etag": before["etag"]}
    after = running.call("PATCH", path, token, json=body)
    assert after.status_code == 200, after.text
    now = {one["kind"]: one for one in after.json()["preferences"]}
    assert now["ALLOCATION_READY"]["email"]
    assert not now["ALLOCATION_REMOVED"]["inPage"]
    assert now["WELCOME"] == chosen["WELCOME"]
    assert running.call("PATCH", path, token, json=body).json()["reason"] == "ETAG_STALE"
    unknown = {"preferences": [{"kind": "NO_SUCH_KIND", "email": True}]}
    refused = running.call("PATCH", path, token, json=unknown)
    assert refused.json()["reason"] == "NOTIFICATION_KIND_UNKNOWN"
    other = running.person("curious@example.org")
    foreign = running.call("GET", f"/v1/{before['name']}", other)
    assert foreign.json()["reason"] == "USER_NOT_FOUND"
    by_admin = running.call("GET", f"/v1/{before['name']}", running.admin())
    assert by_admin.status_code == 200

    rented = running.rent(token, "echo", GREETING="hello")
    until_told(running, token, "ALLOCATION_READY")
    end = time.monotonic() + 20
    while not any(
        "is ready" in mail.read_text() for mail in running.mailbox.glob("*prefers@example.org*")
    ):
        assert time.monotonic() < end
        time.sleep(0.02)
    running.call("DELETE", f"/v1/{rented['name']}", token)
    running.wait(token, rented["name"], "DELETED")
    second = running.rent(token, "echo", GREETING="hello")
    end = time.monotonic() + 20
    while second["name"] not in {one["resource"] for one in inbox(running, token)}:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert "ALLOCATION_REMOVED" not in {one["kind"] for one in inbox(running, token)}
    running.call("DELETE", f"/v1/{second['name']}", token)
