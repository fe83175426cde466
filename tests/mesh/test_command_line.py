"""What `allocctl` shows of people, notices, webhooks, feeds, timelines and dead letters."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from allocator_process import PASSWORD, ROOT, AllocatorProcess

from chassis.bus import Record, open_bus
from chassis.clock import SystemClock
from tests.http_endpoint import HttpEndpoint

EMAIL = "ada@example.org"


@pytest.fixture(scope="module")
def allocator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllocatorProcess]:
    """An allocator where people sign up by invitation, with a webhook allowed to lead to this host."""
    running = AllocatorProcess(
        tmp_path_factory.mktemp("commands") / "data",
        ALLOCATOR_USER_SIGN_UP="invite",
        ALLOCATOR_NOTIFIER_PUBLIC_URL="https://allocator.example.org",
        ALLOCATOR_NOTIFIER_WEBHOOK_ALLOW_HTTP="true",
        ALLOCATOR_NOTIFIER_WEBHOOK_ALLOW_PRIVATE="true",
    )
    yield running.start()
    running.close()


class Run:
    """`allocctl` of somebody whose login is kept in a folder."""

    def __init__(self, allocator: AllocatorProcess, folder: Path) -> None:
        self._environment = {
            **allocator.environment,
            "XDG_CONFIG_HOME": str(folder),
            "ALLOCATOR_CLI_SERVER": allocator.grpc,
        }

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "allocctl", *arguments],
            env=self._environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, fails: str = "", given: str = "") -> str:
        """What a command prints; with `fails` it must fail and say that."""
        with self.begin(*arguments) as command:
            said, problems = command.communicate(given, timeout=90)
        if fails:
            assert command.returncode != 0, (arguments, said)
            assert fails in problems, (arguments, problems)
            return problems
        assert command.returncode == 0, (arguments, said, problems)
        return said


@pytest.fixture(scope="module")
def admin(allocator: AllocatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The commands of the first admin."""
    run = Run(allocator, tmp_path_factory.mktemp("admin"))
    run("login", "--admin-file", str(allocator.admin_file))
    return run


@pytest.fixture(scope="module")
def ada(allocator: AllocatorProcess, admin: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The commands of somebody who was invited, and has signed up by command."""
    run = Run(allocator, tmp_path_factory.mktemp("ada"))
    signing_up = ("signup", EMAIL, "--password-file", "-")
    run(*signing_up, given=PASSWORD, fails="by invitation")
    code = admin("invitations", "create", EMAIL, "--title", "Ada").strip()
    assert re.fullmatch(r"([a-z2-9]{5}-){3}[a-z2-9]{5}", code)
    assert mail_with(allocator, code, EMAIL)
    run(
        *signing_up,
        "--invitation",
        "aaaaa-bbbbb-ccccc-ddddd",
        given=PASSWORD,
        fails="no invitation",
    )
    assert "A code was sent" in run(*signing_up, "--invitation", code, given=PASSWORD)
    run("verify", EMAIL, allocator.mailed_code(EMAIL))
    run("login", EMAIL, "--password-file", "-", given=PASSWORD)
    return run


def mail_with(allocator: AllocatorProcess, code: str, to: str, within: float = 20.0) -> str:
    """The mail with a code, which has a link to the page where one signs up with it."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        for file in allocator.mailbox.glob("*.eml"):
            mail = message_from_bytes(file.read_bytes(), policy=policy.default)
            body = mail.get_body(("plain",))
            text = str(body.get_content()) if body is not None else ""
            if code in text and mail["To"] == to:
                assert f"https://allocator.example.org/signup#invitation={code}" in text
                return text
    raise AssertionError(f"no invitation came to {to}")


def until(run: Run, *arguments: str, has: str, within: float = 30.0) -> str:
    """What a command prints, once it has something in it."""
    end = time.monotonic() + within
    said = run(*arguments)
    while has not in said:
        assert time.monotonic() < end, said
        said = run(*arguments)
    return said


def test_admins_invite_and_withdraw(admin: Run, ada: Run) -> None:
    listed = json.loads(admin("invitations", "list", "-o", "json"))
    of_ada = next(one for one in listed if one["title"] == "Ada")
    assert (of_ada["state"], of_ada["useCount"], of_ada["code"]) == ("USED_UP", 1, "")
    made = json.loads(admin("invitations", "create", "--uses", "30", "-o", "json"))
    assert made["code"]
    name = made["name"].partition("/")[2]
    assert "0 of 30" in admin("invitations", "list")
    assert "is withdrawn" in admin("invitations", "delete", name)
    admin("invitations", "delete", name, fails="no such invitation")
    ada("invitations", "list", fails="admin")
    until(admin, "audit", "list", has=f"made invitations/{name}")
    exported = [json.loads(line) for line in admin("audit", "export").splitlines()]
    assert [one["text"] for one in exported if one["resource"] == made["name"]] == [
        "An admin made " + made["name"] + ".",
        "An admin withdrew " + made["name"] + ".",
    ]
    assert "withdrew" not in admin("audit", "list", "--filter", 'actor = "users/nobody"')


def test_notices_are_listed_read_watched_and_chosen(ada: Run) -> None:
    assert "Welcome" in until(ada, "notifications", "list", "--unread", has="new")
    [name] = [one["name"] for one in json.loads(ada("notifications", "list", "-o", "json"))][-1:]
    ada("notifications", "read", fails="give --all")
    assert "unread" in ada("notifications", "read", name)
    assert "0 are unread" in ada("notifications", "read", "--all")
    assert ada("notifications", "list", "--unread") == ""
    shown = json.loads(ada("preferences", "show", "-o", "json"))
    ready = next(one for one in shown["preferences"] if one["kind"] == "ALLOCATION_READY")
    assert (ready["inPage"], ready["email"]) == (True, False)
    ada("preferences", "set", "allocation_ready", "allocation_failed", "--email", "--no-sms")
    ada("preferences", "set", "ALLOCATION_READY", fails="Say what to change")
    ada("preferences", "set", "NOTHING_LIKE_IT", "--email", fails="kind")
    shown = json.loads(ada("preferences", "show", "-o", "json"))
    ready = next(one for one in shown["preferences"] if one["kind"] == "ALLOCATION_READY")
    assert (ready["inPage"], ready["email"], ready["sms"]) == (True, True, False)
    assert "ALLOCATION_READY" in ada("preferences", "show")
    assert "is removed" in ada("notifications", "delete", name)


def test_timelines_reviews_and_comments_of_what_is_rented(ada: Run) -> None:
    ada("allocate", "ticker", "--name", "mine")
    said = until(ada, "timeline", "mine", has="It runs after")
    assert said.index("rented") < said.index("It runs after")
    events = json.loads(ada("timeline", "mine", "-o", "json", "--newest", "1"))
    assert len(events) == 1
    ada("timeline", "nothing-like-it", fails="Nothing of yours")
    comment = ada("comments", "add", "ticker", "It *ticks*.", "--line", "mine:1").strip()
    ada("comments", "add", "ticker", "x", "--line", "mine", fails="ALLOCATION:NUMBER")
    ada("comments", "add", "ticker", "Indeed.", "--reply-to", comment)
    shown = json.loads(ada("comments", "list", "ticker", "-o", "json"))
    assert [one["text"] for one in shown] == ["It *ticks*.", "Indeed."]
    assert shown[0]["line"]["cursor"] == "1"
    assert "↳ Indeed." in ada("comments", "list", "ticker")
    assert "is deleted" in ada("comments", "delete", comment)
    ada("reviews", "set", "ticker", "4", "Loud.")
    ada("reviews", "set", "ticker", "5")
    assert "5 of 5" in ada("reviews", "list", "ticker")
    assert "is deleted" in ada("reviews", "delete", "ticker")
    assert json.loads(ada("reviews", "list", "ticker", "-o", "json")) == []


def test_notices_are_shown_as_they_come(ada: Run) -> None:
    ada("allocate", "ticker", "--name", "watched")
    until(ada, "notifications", "list", has="watched is ready")
    with ada.begin("notifications", "watch", "--count", "1") as watching:
        assert watching.stderr is not None
        assert "unread" in watching.stderr.readline()
        ada("rm", "watched")
        said, problems = watching.communicate(timeout=60)
    assert "watched was removed" in said, problems
    assert watching.returncode == 0


def test_webhooks_from_being_made_to_being_deleted(ada: Run) -> None:
    with HttpEndpoint() as endpoint:
        made = json.loads(
            ada("webhooks", "create", endpoint.url, "--title", "CI", "-k", "welcome", "-o", "json")
        )
        assert made["secret"].startswith("whsec_")
        name = made["name"].partition("/")[2]
        assert "WELCOME" in ada("webhooks", "list")
        assert "pending" in ada("webhooks", "test", name)
        until(ada, "webhooks", "deliveries", name, has="sent")
        [delivery] = json.loads(ada("webhooks", "deliveries", name, "-o", "json"))
        assert "pending" in ada("webhooks", "replay", delivery["name"])
        until(ada, "webhooks", "deliveries", name, "--filter", "state = SENT", has="200")
        secret = ada("webhooks", "rotate-secret", name).strip()
        assert secret.startswith("whsec_")
        assert secret != made["secret"]
        assert "disabled" in ada("webhooks", "disable", name)
        assert "enabled" in ada("webhooks", "enable", name)
        assert "is deleted" in ada("webhooks", "delete", name)
        ada("webhooks", "deliveries", name, fails="webhook")


def test_dead_letters_are_shown_replayed_and_discarded(
    allocator: AllocatorProcess, admin: Run, ada: Run
) -> None:
    assert admin("dead-letters", "list") == ""

    async def publish() -> None:
        # A fact that says no time: nobody can take it in.
        url = f"sqlite:///{allocator.data_dir}/bus.sqlite3"
        bus = await open_bus(url, SystemClock())
        name = "allocations/abcd1234"
        kind = "allocator.allocations.v1.AllocationReady"
        headers = {"ce-type": kind, "ce-id": "x", "ce-source": "test"}
        await bus.publish([Record("allocator.allocations.facts.v1", name, b"", headers)])
        await bus.close()

    asyncio.run(publish())
    listed = until(admin, "dead-letters", "list", has="broker.timeline")
    assert "abcd1234" in listed
    [letter, *more] = json.loads(admin("dead-letters", "list", "-o", "json"))
    name = letter["name"].partition("/")[2]
    assert "REQUEST_INVALID" in admin("dead-letters", "show", name)
    admin("dead-letters", "replay", fails="give --all")
    assert "is taken in again" in admin("dead-letters", "replay", name)
    assert "taken in again" in admin("dead-letters", "replay", "--all", "--group", "none")
    ada("dead-letters", "list", fails="admin")
    # It cannot be taken in this time either, and comes back under another name or the same.
    left = json.loads(until(admin, "dead-letters", "list", "-o", "json", has='"replaying": false'))
    for one in left:
        admin("dead-letters", "discard", one["name"], "--yes")
    assert len(more) <= 1
