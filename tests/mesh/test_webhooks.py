"""Webhooks and text messages from end to end: registered over REST, signed, refused, replayed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from allocator_process import AllocatorProcess

from tests.http_endpoint import Asked, HttpEndpoint, Reply
from tests.webhook_receiver import verified, verified_by_node


@pytest.fixture(scope="module")
def allocator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllocatorProcess]:
    """An allocator that lets webhooks lead to this host."""
    running = AllocatorProcess(
        tmp_path_factory.mktemp("webhooks") / "data",
        ALLOCATOR_NOTIFIER_WEBHOOK_ALLOW_HTTP="true",
        ALLOCATOR_NOTIFIER_WEBHOOK_ALLOW_PRIVATE="true",
        ALLOCATOR_NOTIFIER_WEBHOOK_FIRST_PAUSE_SECONDS="0.2",
        ALLOCATOR_NOTIFIER_WEBHOOKS_EACH="3",
        # One person does here what many would.
        ALLOCATOR_NOTIFIER_WEBHOOK_CALLS_AT_ONCE="1000",
    )
    yield running.start()
    running.close()


@pytest.fixture
def ada(allocator: AllocatorProcess) -> str:
    """The token of somebody new."""
    return allocator.person(f"ada{uuid4().hex[:8]}@example.org")


@pytest.fixture
def endpoint() -> Iterator[HttpEndpoint]:
    """A program of hers."""
    with HttpEndpoint() as started:
        yield started


def made(allocator: AllocatorProcess, token: str, url: str, **fields: Any) -> dict[str, Any]:
    """A new webhook; of notices it wants none that come by themselves, unless the fields say so."""
    wished = {"url": url, "kinds": ["ALLOCATION_FAILED"], **fields}
    answer = allocator.call("POST", "/v1/webhooks", token, json=wished)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def settled(
    allocator: AllocatorProcess, token: str, name: str, state: str, within: float = 20.0
) -> dict[str, Any]:
    """A delivery, once it is in a state."""
    until = time.monotonic() + within
    while True:
        found: dict[str, Any] = allocator.call("GET", f"/v1/{name}", token).json()
        if found["state"] == state:
            return found
        assert time.monotonic() < until, found
        time.sleep(0.02)


def test_a_webhook_is_registered_tested_and_verified(
    allocator: AllocatorProcess, ada: str, endpoint: HttpEndpoint
) -> None:
    webhook = made(allocator, ada, endpoint.url + "/hook", title="My program")
    name, secret = webhook["name"], webhook["secret"]
    assert secret.startswith("whsec_")
    assert webhook["state"] == "ENABLED"
    delivery = allocator.call("POST", f"/v1/{name}:test", ada, json={}).json()
    assert delivery["kind"] == "WEBHOOK_TEST"
    asked = endpoint.next()
    assert verified(secret, asked.headers, asked.body)
    assert verified_by_node(secret, asked.headers, asked.body)
    assert not verified_by_node(secret, asked.headers, asked.body + b" ")
    assert abs(int(asked.headers["webhook-timestamp"]) - time.time()) < 60
    assert asked.headers["webhook-id"] == delivery["webhookId"]
    said = json.loads(asked.body)
    assert said["type"] == "webhook.test"
    assert said["data"]["webhook"] == name
    sent = settled(allocator, ada, delivery["name"], "SENT")
    assert (sent["attempts"], sent["responseCode"]) == (1, 200)
    assert "nextAttemptTime" not in sent
    # The secret is shown once.
    for answer in (
        allocator.call("GET", f"/v1/{name}", ada),
        allocator.call("GET", "/v1/webhooks", ada),
        allocator.call("PATCH", f"/v1/{name}", ada, json={"title": "New"}),
        allocator.call("POST", f"/v1/{name}:enable", ada, json={}),
    ):
        assert answer.status_code == 200, answer.text
        assert "whsec_" not in answer.text
    rotated = allocator.call("POST", f"/v1/{name}:rotateSecret", ada, json={}).json()
    assert rotated["secret"] != secret
    allocator.call("POST", f"/v1/{name}:test", ada, json={})
    asked = endpoint.next()
    assert verified_by_node(rotated["secret"], asked.headers, asked.body)
    assert verified_by_node(secret, asked.headers, asked.body), "the former one signs for a day"


def test_a_server_that_fails_is_tried_again_and_what_failed_is_replayed(
    allocator: AllocatorProcess, ada: str, endpoint: HttpEndpoint
) -> None:
    bad = [Reply(500), Reply(302, {"Location": endpoint.url}), Reply(429, {"Retry-After": "0"})]
    endpoint.answer = lambda _asked: bad.pop(0) if bad else Reply(204, body=b"")
    webhook = made(allocator, ada, endpoint.url)
    delivery = allocator.call("POST", f"/v1/{webhook['name']}:test", ada, json={}).json()
    asked = [endpoint.next() for _ in range(4)]
    assert {one.headers["webhook-id"] for one in asked} == {delivery["webhookId"]}
    assert {one.body for one in asked} == {asked[0].body}
    assert all(verified(webhook["secret"], one.headers, one.body) for one in asked)
    sent = settled(allocator, ada, delivery["name"], "SENT")
    assert (sent["attempts"], sent["responseCode"], sent.get("error", "")) == (4, 204, "")
    replayed = allocator.call("POST", f"/v1/{delivery['name']}:replay", ada, json={})
    assert replayed.status_code == 200, replayed.text
    again = endpoint.next()
    assert (again.body, again.headers["webhook-id"]) == (asked[0].body, delivery["webhookId"])
    settled(allocator, ada, delivery["name"], "SENT")
    listed = allocator.call(
        "GET", f"/v1/{webhook['name']}/deliveries?filter=state%20%3D%20SENT", ada
    ).json()["deliveries"]
    assert [one["name"] for one in listed] == [delivery["name"]]


def test_one_that_says_gone_is_suspended_until_it_is_enabled(
    allocator: AllocatorProcess, ada: str, endpoint: HttpEndpoint
) -> None:
    endpoint.answer = lambda _asked: Reply(410)
    name = made(allocator, ada, endpoint.url)["name"]
    delivery = allocator.call("POST", f"/v1/{name}:test", ada, json={}).json()
    failed = settled(allocator, ada, delivery["name"], "FAILED")
    assert (failed["responseCode"], failed["error"]) == (410, "The server answered 410.")
    assert allocator.call("GET", f"/v1/{name}", ada).json()["state"] == "SUSPENDED"
    off = allocator.call("POST", f"/v1/{name}:test", ada, json={})
    assert (off.status_code, off.json()["reason"]) == (400, "WEBHOOK_OFF")
    off = allocator.call("POST", f"/v1/{delivery['name']}:replay", ada, json={})
    assert off.json()["reason"] == "WEBHOOK_OFF"
    endpoint.answer = lambda _asked: Reply()
    assert allocator.call("POST", f"/v1/{name}:enable", ada, json={}).json()["state"] == "ENABLED"
    assert allocator.call("POST", f"/v1/{delivery['name']}:replay", ada, json={}).status_code == 200
    settled(allocator, ada, delivery["name"], "SENT")


def test_a_webhook_is_its_owners_alone(
    allocator: AllocatorProcess, ada: str, endpoint: HttpEndpoint
) -> None:
    webhook = made(allocator, ada, endpoint.url)
    name = webhook["name"]
    delivery = allocator.call("POST", f"/v1/{name}:test", ada, json={}).json()["name"]
    bob = allocator.person(f"bob{uuid4().hex[:8]}@example.org")
    for method, path, body in (
        ("GET", name, None),
        ("PATCH", name, {"title": "mine"}),
        ("DELETE", name, None),
        ("POST", f"{name}:enable", {}),
        ("POST", f"{name}:disable", {}),
        ("POST", f"{name}:rotateSecret", {}),
        ("POST", f"{name}:test", {}),
        ("GET", f"{name}/deliveries", None),
        ("GET", delivery, None),
        ("POST", f"{delivery}:replay", {}),
    ):
        refused = allocator.call(method, f"/v1/{path}", bob, json=body)
        assert (refused.status_code, refused.json()["reason"]) == (404, "WEBHOOK_NOT_FOUND"), path
    assert allocator.call("GET", "/v1/webhooks", bob).json().get("webhooks", []) == []
    foreign = allocator.call("GET", "/v1/webhooks?parent=users/-", bob)
    assert foreign.json()["reason"] == "PARENT_FOREIGN"
    assert allocator.call("GET", "/v1/webhooks").status_code == 401
    # A delivery of one's own webhook is not found under another one's name.
    of_bob = made(allocator, bob, endpoint.url)["name"]
    wrong = f"{of_bob}/deliveries/{delivery.rpartition('/')[2]}"
    missing = allocator.call("GET", f"/v1/{wrong}", bob)
    assert missing.json()["reason"] == "DELIVERY_NOT_FOUND"


def test_what_cannot_be_is_refused_with_its_reason(
    allocator: AllocatorProcess, ada: str, endpoint: HttpEndpoint
) -> None:
    for fields, reason in (
        ({"url": "ftp://example.org"}, "WEBHOOK_URL_REFUSED"),
        ({"url": "https://u:p@example.org"}, "WEBHOOK_URL_REFUSED"),
        ({"url": ""}, "REQUEST_INVALID"),
        ({"url": endpoint.url, "kinds": ["NO_SUCH_KIND"]}, "NOTIFICATION_KIND_UNKNOWN"),
        ({"url": endpoint.url, "kinds": ["no kind"]}, "REQUEST_INVALID"),
        ({"url": endpoint.url, "title": "x" * 81}, "REQUEST_INVALID"),
    ):
        refused = allocator.call("POST", "/v1/webhooks", ada, json=fields)
        assert (refused.status_code, refused.json()["reason"]) == (400, reason), fields
    key = {"Idempotency-Key": str(uuid4())}
    first, again = (
        allocator.call("POST", "/v1/webhooks", ada, json={"url": endpoint.url}, headers=key)
        for _ in range(2)
    )
    assert first.json() == again.json()
    name, etag = first.json()["name"], first.json()["etag"]
    changed = allocator.call("PATCH", f"/v1/{name}", ada, json={"title": "New", "etag": etag})
    assert changed.json()["title"] == "New"
    stale = allocator.call("PATCH", f"/v1/{name}", ada, json={"title": "Old", "etag": etag})
    assert (stale.status_code, stale.json()["reason"]) == (409, "ETAG_STALE")
    fixed = allocator.call("PATCH", f"/v1/{name}?updateMask=state", ada, json={"title": "x"})
    assert fixed.json()["reason"] == "FIELD_NOT_UPDATABLE"
    worse = allocator.call("PATCH", f"/v1/{name}", ada, json={"url": "ftp://example.org"})
    assert worse.json()["reason"] == "WEBHOOK_URL_REFUSED"
    for _ in range(2):
        made(allocator, ada, endpoint.url)
    full = allocator.call("POST", "/v1/webhooks", ada, json={"url": endpoint.url})
    assert (full.status_code, full.json()["reason"]) == (429, "TOO_MANY_WEBHOOKS")
    assert allocator.call("DELETE", f"/v1/{name}", ada).status_code == 200
    gone = allocator.call("GET", f"/v1/{name}", ada)
    assert gone.json()["reason"] == "WEBHOOK_NOT_FOUND"
    listed = allocator.call("GET", "/v1/webhooks?pageSize=1", ada).json()
    assert len(listed["webhooks"]) == 1
    rest = allocator.call(
        "GET", f"/v1/webhooks?pageSize=1&pageToken={listed['nextPageToken']}", ada
    ).json()
    assert rest["webhooks"][0]["name"] != listed["webhooks"][0]["name"]
    assert not rest.get("nextPageToken")


def test_nothing_is_sent_to_one_that_is_switched_off(
    allocator: AllocatorProcess, ada: str, endpoint: HttpEndpoint
) -> None:
    endpoint.answer = lambda _asked: Reply(500)
    name = made(allocator, ada, endpoint.url)["name"]
    delivery = allocator.call("POST", f"/v1/{name}:test", ada, json={}).json()["name"]
    endpoint.next()
    assert allocator.call("POST", f"/v1/{name}:disable", ada, json={}).json()["state"] == "DISABLED"
    given_up = settled(allocator, ada, delivery, "FAILED")
    assert given_up["error"] == "The webhook was switched off."


def test_without_settings_no_webhook_leads_to_this_host(tmp_path: Path) -> None:
    allocator = AllocatorProcess(tmp_path / "data").start()
    try:
        ada = allocator.person("ada@example.org")
        for url in (
            f"http://{allocator.http}/v1/users",
            f"https://{allocator.http}/v1/users",
            "https://169.254.169.254/latest/meta-data",
            "https://localhost/",
        ):
            refused = allocator.call("POST", "/v1/webhooks", ada, json={"url": url})
            assert (refused.status_code, refused.json()["reason"]) == (400, "WEBHOOK_URL_REFUSED")
    finally:
        allocator.close()


def test_a_program_that_never_answers_delays_no_other(
    allocator: AllocatorProcess, ada: str, endpoint: HttpEndpoint
) -> None:
    def by_path(asked: Asked) -> Reply:
        return Reply(hangs=asked.path == "/hangs", status=500 if asked.path == "/fails" else 200)

    endpoint.answer = by_path
    names = {
        path: made(allocator, ada, f"{endpoint.url}/{path}")["name"]
        for path in ("hangs", "fails", "well")
    }
    for path in ("hangs", "fails"):
        for _ in range(10):
            allocator.call("POST", f"/v1/{names[path]}:test", ada, json={})
    began = time.monotonic()
    for _ in range(5):
        delivery = allocator.call("POST", f"/v1/{names['well']}:test", ada, json={}).json()
        settled(allocator, ada, delivery["name"], "SENT", within=5.0)
    mailed = allocator.person(f"eve{uuid4().hex[:8]}@example.org")
    assert mailed, "mails go on"
    assert time.monotonic() - began < 8, "the one that hangs is given ten seconds"
    endpoint.let_go()


def test_what_happens_to_an_allocation_is_posted_as_the_webhook_wishes(
    allocator: AllocatorProcess, ada: str, endpoint: HttpEndpoint
) -> None:
    both = ["ALLOCATION_READY", "ALLOCATION_REMOVED"]
    all_of_it = made(allocator, ada, f"{endpoint.url}/all", kinds=both)
    only_ready = made(allocator, ada, f"{endpoint.url}/ready", kinds=["ALLOCATION_READY"])
    rented = allocator.rent(ada, "echo", GREETING="hello")
    allocator.wait(ada, rented["name"], "READY")
    asked = {one.path: one for one in (endpoint.next(), endpoint.next())}
    assert set(asked) == {"/all", "/ready"}
    for webhook, path in ((all_of_it, "/all"), (only_ready, "/ready")):
        assert verified_by_node(webhook["secret"], asked[path].headers, asked[path].body)
        said = json.loads(asked[path].body)
        assert said["type"] == "allocation.ready"
        assert said["data"]["resource"] == rented["name"]
    assert allocator.call("DELETE", f"/v1/{rented['name']}", ada).status_code == 200
    removed = endpoint.next()
    assert (removed.path, json.loads(removed.body)["type"]) == ("/all", "allocation.removed")
