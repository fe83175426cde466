"""An installation that people have used, and what they see of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allocator_process import ROOT
from visitor import PASSWORD, Visitor

from tests.http_endpoint import HttpEndpoint
from tests.keeping.grown_around import Around, grow_around, seen_around

ADA, BOB = "ada@example.org", "bob@example.org"
SECRET = "swordfish"
GREETER = {
    "title": "Greeter",
    "description": "Says its greeting and its password.",
    "resourceClass": "nano",
    "image": "python:3.11-slim",
    "command": [
        "python3",
        "-u",
        "-c",
        """import os, signal, socketserver, sys
class Greeter(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write((os.environ["GREETING"] + " " + os.environ["PASSWORD"]).encode())
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
socketserver.TCPServer.allow_reuse_address = True
at = os.environ.get("ALLOCATOR_BIND_ADDRESS", "0.0.0.0"), int(os.environ.get("PORT", 7000))
print("greets with", os.environ["GREETING"], flush=True)
socketserver.TCPServer(at, Greeter).serve_forever()
""",
    ],
    "ports": [{"number": 7000, "title": "greeting"}],
    "stopGrace": "5s",
    "probe": {"tcp": {}, "timeout": "30s"},
    "variables": [
        {"key": "GREETING", "title": "Greeting", "required": True},
        {"key": "PASSWORD", "title": "Password", "secret": True},
    ],
}


@dataclass(frozen=True)
class Grown:
    """What was made.

    Attributes:
        ready: an allocation of Ada's that answers.
        stopped: one that she has stopped.
        deleted: one that she has removed.
        around: what else people have made.
    """

    ready: str
    stopped: str
    deleted: str
    around: Around

    @property
    def allocations(self) -> tuple[str, ...]:
        """All of hers."""
        return self.ready, self.stopped, self.deleted


def grow(running: Visitor, endpoint: HttpEndpoint) -> Grown:
    """Has people sign up, publish a machine, rent, stop, remove, and do what is in `grown_around`.

    Args:
        running: may call what is on this host, see `CALLS_THIS_HOST`.
        endpoint: where Bob's webhook leads.
    """
    admin = running.admin()
    made = running.call(
        "POST", "/v1/machines", admin, params={"machine_id": "greeter"}, json=GREETER
    )
    assert made.status_code == 200, made.text
    running.call("POST", "/v1/machines/greeter:publish", admin, json={})
    ada = running.person(ADA)
    until = time.monotonic() + 60
    while running.call("GET", "/readyz").json()["degraded"]:
        assert time.monotonic() < until, "something it needs is away"
        time.sleep(0.05)
    bob = running.person(BOB)
    names = []
    for greeting in ("hello", "later", "never"):
        rented = running.rent(ada, "greeter", GREETING=greeting, PASSWORD=SECRET)
        running.wait(ada, rented["name"], "READY")
        names.append(str(rented["name"]))
    ready, stopped, deleted = names
    running.call("POST", f"/v1/{stopped}:stop", ada, json={})
    running.wait(ada, stopped, "STOPPED")
    running.call("DELETE", f"/v1/{deleted}", ada)
    running.wait(ada, deleted, "DELETED")
    return Grown(ready, stopped, deleted, grow_around(running, ada, bob, endpoint))


def seen(running: Visitor, grown: Grown) -> dict[str, Any]:
    """What the people of a grown installation see after logging in with their passwords."""
    ada, bob, admin = running.log_in(ADA), running.log_in(BOB, PASSWORD), running.admin()

    def get(path: str, token: str, **query: str) -> Any:
        answer = running.call("GET", path, token, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    # First of all: it waits for the facts that the rest is changed by.
    around = seen_around(running, bob, admin, grown.deleted)
    return {
        **around,
        "people": get("/v1/users", admin),
        "machines": [
            # Whether a machine can run here is found out anew after each start.
            {name: value for name, value in one.items() if name != "availability"}
            for one in get("/v1/machines", bob, pageSize="100")["machines"]
        ],
        "allocations": [_lasting(get(f"/v1/{name}", ada)) for name in grown.allocations],
        "listed": sorted(one["name"] for one in get("/v1/allocations", ada)["allocations"]),
        "bob's": get("/v1/allocations", bob)["allocations"],
        # Later instances add lines.
        "first lines": [get(f"/v1/{name}/lines", ada)["lines"][0] for name in grown.allocations],
    }


def _lasting(allocation: dict[str, Any]) -> dict[str, Any]:
    """An allocation without what a new instance of it changes."""
    changing = {
        "etag", "generation", "observedTime", "stateTime", "updateTime", "host", "port", "endpoints",
    }  # fmt: skip
    return {name: value for name, value in allocation.items() if name not in changing}


def greeting(running: Visitor, token: str, name: str, within: float = 60.0) -> str:
    """What an allocation says once it is ready, and its instance is the present one."""
    until = time.monotonic() + within
    while True:
        ready = running.wait(token, name, "READY", "FAILED")
        assert ready["state"] == "READY", ready
        try:
            with socket.create_connection((ready["host"], ready["port"]), timeout=5) as connection:
                return connection.makefile().read().strip()
        except OSError:
            # It was ready when it was archived, and is made anew in a moment.
            assert time.monotonic() < until, ready
            time.sleep(0.05)


def allocctl(
    *arguments: str | Path, environment: dict[str, str] | None = None, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Runs the command line in a process of its own.

    Args:
        arguments: of the command.
        environment: settings; those of this process are not passed on.
        stdin: what it reads.
    """
    return subprocess.run(
        [sys.executable, "-m", "allocctl", *map(str, arguments)],
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("ALLOCATOR_")},
            **(environment or {}),
        },
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        timeout=120,
    )


def kept(*arguments: str | Path, **settings: str) -> str:
    """Runs a command that must succeed; gives what it said."""
    done = allocctl(*arguments, environment=settings)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode() + done.stderr.decode()
