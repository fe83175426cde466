"""What grows around allocations: what people say, are told, and have made to be safe or to be called."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pyotp
from visitor import PASSWORD, Visitor

from tests.http_endpoint import HttpEndpoint
from tests.webhook_receiver import verified

T = TypeVar("T")

CAROL = "carol@example.org"
GREETER = "/v1/machines/greeter"
CALLS_THIS_HOST = {
    "ALLOCATOR_NOTIFIER_WEBHOOK_ALLOW_HTTP": "true",
    "ALLOCATOR_NOTIFIER_WEBHOOK_ALLOW_PRIVATE": "true",
}
"""Settings of an installation whose webhooks may lead to the endpoint of a test."""


@dataclass(frozen=True)
class Around:
    """What was made.

    Attributes:
        access_token: of Bob's, that reads allocations.
        totp_secret: of Carol's second factor.
        recovery_codes: of Carol's.
        webhook: Bob's, its name.
        webhook_secret: what its calls are signed with.
    """

    access_token: str
    totp_secret: str
    recovery_codes: list[str]
    webhook: str
    webhook_secret: str


def until(found: Callable[[], T], wanted: Callable[[T], object], within: float = 60.0) -> T:
    """What is found, once it is as it is wanted: facts take a moment."""
    ends = time.monotonic() + within
    while not wanted(last := found()):
        assert time.monotonic() < ends, last
        time.sleep(0.05)
    return last


def done(running: Visitor, verb: str, path: str, token: str, **content: Any) -> dict[str, Any]:
    """What a call answers that must succeed."""
    options = {"params": content} if verb == "GET" else {"json": content}
    answer = running.call(verb, path, token, **options)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def grow_around(running: Visitor, ada: str, bob: str, endpoint: HttpEndpoint) -> Around:
    """Has people comment, review, vote and be told; gives Carol a second factor.

    Args:
        running: has the machine, which Ada has rented.
        ada: her token.
        bob: his token.
        endpoint: a program of Bob's.
    """
    comment = done(running, "POST", f"{GREETER}/comments", bob, text="Which port? 🦊")
    done(running, "POST", f"{GREETER}/comments", ada, text="**7000**", replyTo=comment["name"])
    review = {"stars": 4, "text": "Greets as it should."}
    until(
        lambda: running.call("PUT", f"{GREETER}/reviews/me", ada, json=review),
        lambda answer: answer.status_code == 200,
    )
    done(running, "PUT", f"{GREETER}/votes/me", ada, direction="LIKE")
    done(running, "PUT", f"{GREETER}/votes/me", bob, direction="DISLIKE")

    wish = [{"kind": "ALLOCATION_READY", "email": True, "inPage": False}]
    done(running, "PATCH", "/v1/users/me/notificationPreferences", bob, preferences=wish)
    webhook = done(
        running, "POST", "/v1/webhooks", bob, url=endpoint.url, kinds=["ALLOCATION_FAILED"]
    )
    delivery = done(running, "POST", f"/v1/{webhook['name']}:test", bob)
    assert verified(webhook["secret"], *_called(endpoint))
    until(
        lambda: done(running, "GET", f"/v1/{delivery['name']}", bob)["state"],
        lambda state: state == "SENT",
    )
    scopes = ["allocations:read"]
    token = done(running, "POST", "/v1/accessTokens", bob, title="CI", scopes=scopes)["token"]

    _grow_limits(running, bob)

    carol = running.person(CAROL)
    secret = done(running, "POST", "/v1/users/me:enrollTotp", carol, password=PASSWORD)["secret"]
    code = pyotp.TOTP(secret).now()
    codes = done(running, "POST", "/v1/users/me:confirmTotp", carol, totpCode=code)["recoveryCodes"]
    return Around(token, secret, codes, webhook["name"], webhook["secret"])


def _grow_limits(running: Visitor, bob: str) -> None:
    """Has the admin say who may come, and how much there is for whom."""
    admin = running.admin()
    done(running, "POST", "/v1/invitations", admin, title="The team", maxUses=3)
    bobs = done(running, "GET", "/v1/users/me", bob)["name"]
    limits = {"name": f"{bobs}/quota", "overrides": {"instances": 7}}
    done(running, "PATCH", f"/v1/{bobs}/quota", admin, **limits)
    size = {"title": "Tiny", "cpuMillis": 100, "memoryBytes": str(64 << 20), "pids": 32}
    made = running.call(
        "POST", "/v1/resourceClasses", admin, params={"resourceClassId": "tiny"}, json=size
    )
    assert made.status_code == 200, made.text


def seen_around(running: Visitor, bob: str, admin: str, gone: str) -> dict[str, Any]:
    """What people see of it, once every fact has arrived.

    Args:
        running: the installation.
        bob: a token of his.
        admin: a token of the admin's.
        gone: an allocation that was removed: nothing happens to it any more.
    """
    until(
        lambda: done(running, "GET", GREETER, bob),
        lambda machine: (machine["reviews"], machine["rents"]) == (1, 3),
    )
    notices = until(
        lambda: done(running, "GET", "/v1/notifications", bob)["notifications"],
        lambda told: {"WELCOME", "REPLY_TO_MY_COMMENT"} <= {one["kind"] for one in told},
    )
    timeline = until(
        lambda: done(running, "GET", f"/v1/{gone}/timeline", admin, orderBy="time")["events"],
        lambda events: any(one["text"].startswith("It is gone.") for one in events),
    )
    comments = done(running, "GET", f"{GREETER}/comments", bob)["comments"]
    [webhook] = done(running, "GET", "/v1/webhooks", bob)["webhooks"]
    deliveries = until(
        lambda: done(running, "GET", f"/v1/{webhook['name']}/deliveries", bob)["deliveries"],
        lambda sent: {one["state"] for one in sent} == {"SENT"},
    )
    tokens = done(running, "GET", "/v1/accessTokens", bob)["accessTokens"]
    return {
        "comments": comments,
        "replies": done(running, "GET", f"/v1/{comments[-1]['name']}/replies", bob)["replies"],
        "reviews": done(running, "GET", f"{GREETER}/reviews", bob),
        "vote": done(running, "GET", f"{GREETER}/votes/me", bob),
        "summary": done(running, "GET", f"{GREETER}/feedSummary", bob),
        "notices": notices,
        "preferences": done(running, "GET", "/v1/users/me/notificationPreferences", bob),
        "webhook": webhook,
        "deliveries": deliveries,
        "access tokens": [
            {name: value for name, value in one.items() if name != "lastUseTime"} for one in tokens
        ],
        "invitations": done(running, "GET", "/v1/invitations", admin)["invitations"],
        "quota": done(running, "GET", "/v1/users/me/quota", bob),
        "sizes": done(running, "GET", "/v1/resourceClasses", bob)["resourceClasses"],
        "timeline": timeline,
        "audit": done(
            running, "GET", "/v1/auditEvents", admin, filter='resource = "machines/greeter"'
        ),
    }


def check_around(running: Visitor, around: Around, bob: str, endpoint: HttpEndpoint) -> None:
    """What was made goes on to work: keys, sealed secrets and counts are what they were.

    Args:
        running: the installation; what it says of itself changes by this.
        around: what was made.
        bob: a token of his.
        endpoint: where his webhook leads.
    """
    assert running.call("GET", "/v1/allocations", around.access_token).status_code == 200
    refused = running.call("GET", "/v1/users/me", around.access_token)
    assert refused.json()["reason"] == "SCOPE_MISSING"

    login = {"email": CAROL, "password": PASSWORD}
    alone = running.call("POST", "/v1/sessions", json=login)
    assert alone.json()["reason"] == "TOTP_REQUIRED"
    used_up = running.call(
        "POST", "/v1/sessions", json={**login, "recoveryCode": around.recovery_codes[0]}
    )
    assert used_up.status_code == 200, used_up.text
    carol = str(used_up.json()["accessToken"])
    left = done(running, "GET", "/v1/users/me/totp", carol)
    assert (left["state"], left["recoveryCodesLeft"]) == ("ACTIVE", len(around.recovery_codes) - 1)
    # One step ahead of the clock, so that it is not the one that has been used.
    code = pyotp.TOTP(around.totp_secret).at(int(time.time()) + 30)
    opened = running.call("POST", "/v1/sessions", json={**login, "totpCode": code})
    assert opened.status_code == 200, opened.text

    done(running, "POST", f"/v1/{around.webhook}:test", bob)
    assert verified(around.webhook_secret, *_called(endpoint))

    before = done(running, "GET", f"{GREETER}/feedSummary", bob)
    assert (before["likes"], before["dislikes"], before["comments"]) == (1, 1, 2)
    done(running, "PUT", f"{GREETER}/votes/me", bob, direction="LIKE")
    after = done(running, "GET", f"{GREETER}/feedSummary", bob)
    assert (after["likes"], after["dislikes"]) == (2, 0)
    later = done(running, "POST", f"{GREETER}/comments", bob, text="Thank you.")
    comments = done(running, "GET", f"{GREETER}/comments", bob)["comments"]
    assert (len(comments), comments[0]["name"]) == (2, later["name"])
    again = running.call("PUT", f"{GREETER}/reviews/me", bob, json={"stars": 5, "text": ""})
    assert again.status_code == 403, "he has never rented it"


def _called(endpoint: HttpEndpoint) -> tuple[dict[str, str], bytes]:
    asked = endpoint.next()
    return asked.headers, asked.body
