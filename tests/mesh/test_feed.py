"""What people say of machines, from end to end, by REST and gRPC."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from allocator.feed.v1 import feed_pb2, feed_service_pb2, feed_service_pb2_grpc
from allocator_process import AllocatorProcess

PATIENCE = 30.0


def until(holds: Callable[[], Any]) -> Any:
    """What is so in the end: facts are on their way for a moment."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = holds()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come to be so")


@pytest.fixture
def machine(running: AllocatorProcess) -> str:
    """A machine of its own, in the catalogue."""
    admin, machine_id = running.admin(), f"feed-{uuid.uuid4().hex[:8]}"
    made = running.call(
        "POST",
        "/v1/machines",
        admin,
        params={"machine_id": machine_id},
        json={
            "title": "To be spoken of",
            "image": "busybox",
            "command": ["sh", "-c", "while :; do sleep 1; done"],
        },
    )
    assert made.status_code == 200, made.text
    published = running.call("POST", f"/v1/machines/{machine_id}:publish", admin, json={})
    assert published.status_code == 200, published.text
    return f"machines/{machine_id}"


@pytest.fixture
def ada(running: AllocatorProcess) -> str:
    return running.person(f"ada-{uuid.uuid4().hex[:8]}@example.org")


@pytest.fixture
def bob(running: AllocatorProcess) -> str:
    return running.person(f"bob-{uuid.uuid4().hex[:8]}@example.org")


def summary(running: AllocatorProcess, machine: str, token: str = "") -> dict[str, Any]:
    answer = running.call("GET", f"/v1/{machine}/feedSummary", token)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_people_talk_about_a_machine(
    running: AllocatorProcess, machine: str, ada: str, bob: str
) -> None:
    said = running.call("POST", f"/v1/{machine}/comments", ada, json={"text": "Which *port*? 🦀"})
    assert said.status_code == 200, said.text
    name = said.json()["name"]
    answered = running.call(
        "POST", f"/v1/{machine}/comments", bob, json={"text": "8080.", "replyTo": name}
    )
    assert answered.status_code == 200, answered.text
    # Everybody reads, also who is not logged in.
    listed = running.call("GET", f"/v1/{machine}/comments").json()
    assert [(one["name"], one["replyCount"]) for one in listed["comments"]] == [(name, 1)]
    replies = running.call("GET", f"/v1/{name}/replies").json()["replies"]
    assert [one["text"] for one in replies] == ["8080."]

    etag = said.json()["etag"]
    changed = running.call(
        "PATCH", f"/v1/{name}", ada, json={"text": "Which port?"}, headers={"if-match": f'"{etag}"'}
    )
    assert changed.status_code == 200, changed.text
    stale = running.call(
        "PATCH", f"/v1/{name}", ada, json={"text": "?"}, headers={"if-match": f'"{etag}"'}
    )
    assert (stale.status_code, stale.json()["reason"]) == (412, "ETAG_STALE")
    foreign = running.call("DELETE", f"/v1/{name}", bob)
    assert (foreign.status_code, foreign.json()["reason"]) == (403, "COMMENT_NOT_YOURS")
    nobody = running.call("POST", f"/v1/{machine}/comments", json={"text": "hi"})
    assert nobody.status_code == 401

    for gone in (answered.json()["name"], name):
        assert running.call("DELETE", f"/v1/{gone}", running.admin()).status_code == 200
    assert summary(running, machine)["comments"] == 0


def test_votes_are_counted_once_by_either_way_in(
    running: AllocatorProcess, machine: str, ada: str, bob: str
) -> None:
    for token, way in ((ada, "LIKE"), (bob, "LIKE"), (bob, "DISLIKE"), (bob, "DISLIKE")):
        given = running.call("PUT", f"/v1/{machine}/votes/me", token, json={"direction": way})
        assert given.status_code == 200, given.text
    found = summary(running, machine, bob)
    assert (found["likes"], found["dislikes"], found["ownVote"]) == (1, 1, "DISLIKE")
    with running.channel() as channel:
        feed = feed_service_pb2_grpc.FeedServiceStub(channel)
        metadata = [("authorization", f"Bearer {ada}")]
        request = feed_service_pb2.BatchGetSummariesRequest(machines=[machine, "machines/echo"])
        own, _ = feed.BatchGetSummaries(request, metadata=metadata, timeout=10).summaries
        assert (own.likes, own.own_vote) == (1, feed_pb2.Vote.LIKE)
        feed.ClearVote(
            feed_service_pb2.ClearVoteRequest(name=f"{machine}/votes/me"),
            metadata=metadata,
            timeout=10,
        )
    page = running.call(
        "GET", "/v1/machines/-/feedSummaries", params={"machines": [machine, "machines/echo"]}
    )
    assert page.status_code == 200, page.text
    assert page.json()["summaries"][0]["likes"] == 0


def test_who_rented_a_machine_reviews_it_also_after_it_is_gone(
    running: AllocatorProcess, machine: str, ada: str
) -> None:
    def review(stars: int) -> Any:
        return running.call(
            "PUT", f"/v1/{machine}/reviews/me", ada, json={"stars": stars, "text": "Runs."}
        )

    refused = review(5)
    assert (refused.status_code, refused.json()["reason"]) == (403, "NOT_RENTED")
    rented = running.rent(ada, machine.removeprefix("machines/"))
    until(lambda: review(5).status_code == 200)
    assert running.call("DELETE", f"/v1/{rented['name']}", ada).status_code == 200
    running.wait(ada, rented["name"], "DELETED")
    written = review(4)
    assert written.status_code == 200, written.text
    found = summary(running, machine)
    assert (found["reviews"], found["averageRating"]) == (1, 4)
    assert found["histogram"] == [0, 0, 0, 1, 0]
    own = running.call("GET", f"/v1/{machine}/reviews/me", ada)
    assert own.json()["name"] == written.json()["name"]


def test_a_comment_points_at_a_line_of_ones_own_allocation(
    running: AllocatorProcess, machine: str, ada: str, bob: str
) -> None:
    rented = running.rent(ada, machine.removeprefix("machines/"))
    line = {"allocation": rented["name"], "cursor": "7"}

    def say(token: str) -> Any:
        body = {"text": "What does this mean?", "line": line}
        return running.call("POST", f"/v1/{machine}/comments", token, json=body)

    said = say(ada)
    assert said.status_code == 200, said.text
    assert said.json()["line"] == line
    foreign = say(bob)
    assert (foreign.status_code, foreign.json()["reason"]) == (404, "ALLOCATION_NOT_FOUND")


def test_names_follow_and_a_deleted_machine_takes_its_feed_along(
    running: AllocatorProcess, machine: str, ada: str
) -> None:
    name = running.call("POST", f"/v1/{machine}/comments", ada, json={"text": "Mine."}).json()[
        "name"
    ]
    for given in ("Ada", "Augusta"):
        renamed = running.call("PATCH", "/v1/users/me", ada, json={"givenName": given})
        assert renamed.status_code == 200, renamed.text

        def is_shown(given: str = given) -> bool:
            found = running.call("GET", f"/v1/{name}").json()
            return bool(found["authorName"] == given)

        until(is_shown)
    admin = running.admin()
    for verb, path in (("POST", f"/v1/{machine}:retire"), ("DELETE", f"/v1/{machine}")):
        done = running.call(verb, path, admin, **({"json": {}} if verb == "POST" else {}))
        assert done.status_code == 200, done.text
    until(lambda: running.call("GET", f"/v1/{name}").status_code == 404)
    assert running.call("GET", f"/v1/{machine}/comments").json().get("comments", []) == []
    gone = running.call("POST", f"/v1/{machine}/comments", ada, json={"text": "Still there?"})
    assert (gone.status_code, gone.json()["reason"]) == (404, "MACHINE_NOT_FOUND")
