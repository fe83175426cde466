"""A whole allocator as its user runs it: a process of its own, reached over its ports."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "correct horse battery"
FAST = {
    # Cheap hashes and no waiting between log-ins: what is tested here is something else.
    "ALLOCATOR_USER_ARGON2_MEMORY_KIB": "64",
    "ALLOCATOR_USER_ARGON2_PASSES": "1",
    # Everybody here comes from one address.
    "ALLOCATOR_USER_SIGN_UPS_AT_ONCE": "100000",
    "ALLOCATOR_USER_FREE_FAILURES_PER_ADDRESS": "100000",
    "ALLOCATOR_USER_SIGN_UP_MAILS_AT_ONCE": "100000",
    "ALLOCATOR_DOCKER_TRUST_EVERYONE": "true",
}


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_range(size: int) -> str:
    """A range of ports that is this test's own with high probability: `31000-31099`."""
    start = 30000 + (os.getpid() * 131 + time.monotonic_ns() // 1000) % (29000 - size)
    return f"{start}-{start + size - 1}"


class AllocatorProcess:
    """Starts, stops and kills an allocator on a data folder of its own."""

    def __init__(self, data_dir: Path, runtime: str = "process", **settings: str) -> None:
        self.data_dir = data_dir
        self.http = f"127.0.0.1:{free_port()}"
        self.grpc = f"127.0.0.1:{free_port()}"
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("ALLOCATOR_")},
            **FAST,
            "ALLOCATOR_DATA_DIR": str(data_dir),
            "ALLOCATOR_HTTP_ADDRESS": self.http,
            "ALLOCATOR_GRPC_ADDRESS": self.grpc,
            "ALLOCATOR_RUNTIME": runtime,
            "ALLOCATOR_ALLOCATION_PORT_RANGE": free_range(200),
            **settings,
        }
        self.process: subprocess.Popen[str] | None = None
        self.banner = ""
        self.client = httpx2.Client(base_url=f"http://{self.http}", timeout=30, trust_env=False)

    def start(self, within: float = 30.0) -> AllocatorProcess:
        """Starts it and returns once it is ready; what it printed is in `banner`."""
        output = self.data_dir.with_suffix(".out")
        with output.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "allocctl", "up"],
                env=self.environment,
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        until = time.monotonic() + within
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise AssertionError(f"the allocator has ended: {output.read_text()}")
            if "Ctrl-C" in (said := output.read_text()):
                self.banner = said
                return self
            time.sleep(0.02)
        raise AssertionError(f"the allocator is not ready after {within} s: {output.read_text()}")

    def stop(self) -> int:
        """Ends it as Ctrl-C does; answers its exit code."""
        return self._end(signal.SIGINT)

    def kill(self) -> None:
        """Ends it as a crash does."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        if self.process is None:
            return 0
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(number)
        return process.wait(timeout=30)

    def close(self) -> None:
        """Removes every instance, then ends it."""
        try:
            if self.process is not None and self.process.poll() is None:
                self.remove_everything()
        finally:
            self.stop()
            self.client.close()

    # what people do

    def call(self, verb: str, path: str, token: str = "", **options: Any) -> httpx2.Response:
        """One request; the token goes into its header."""
        headers = dict(options.pop("headers", {}))
        if token:
            headers["authorization"] = f"Bearer {token}"
        return self.client.request(verb, path, headers=headers, **options)

    def admin(self) -> str:
        """The first admin's access token."""
        credentials = json.loads((self.data_dir / "admin.json").read_text())
        return self.log_in(credentials["email"], credentials["password"])

    def log_in(self, email: str, password: str = PASSWORD) -> str:
        """An access token."""
        answer = self.call("POST", "/v1/sessions", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["accessToken"])

    def person(self, email: str) -> str:
        """Signs a person up, verifies them by the mailed code, logs them in: their access token."""
        answer = self.call(
            "POST", "/v1/users", json={"user": {"email": email}, "password": PASSWORD}
        )
        assert answer.status_code == 200, answer.text
        code = self.mailed_code(email)
        answer = self.call("POST", "/v1/users:verify", json={"email": email, "code": code})
        assert answer.status_code == 200, answer.text
        return self.log_in(email)

    def mailed_code(self, email: str, within: float = 15.0) -> str:
        """The newest one-time code that was mailed to an address."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            for file in sorted((self.data_dir / "mailbox").glob("*.eml"), reverse=True):
                mail = message_from_bytes(file.read_bytes(), policy=policy.default)
                body = mail.get_body(("plain",))
                found = re.search(r"\b(\d{6})\b", body.get_content() if body else "")
                if email in str(mail["To"]) and found:
                    return found[1]
            time.sleep(0.02)
        raise AssertionError(f"no code was mailed to {email} within {within} s")

    def rent(self, token: str, machine: str, **variables: str) -> dict[str, Any]:
        """Rents a machine; the allocation as it is at once."""
        answer = self.call(
            "POST",
            "/v1/allocations",
            token,
            json={
                "machine": f"machines/{machine}",
                "variables": [{"key": k, "value": v} for k, v in variables.items()],
            },
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def wait(self, token: str, name: str, *states: str, within: float = 60.0) -> dict[str, Any]:
        """The allocation once it is in one of the states."""
        until = time.monotonic() + within
        found: dict[str, Any] = {}
        while time.monotonic() < until:
            answer = self.call("GET", f"/v1/{name}", token)
            assert answer.status_code == 200, answer.text
            found = answer.json()
            if found["state"] in states:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{name} is not {states} after {within} s but {found}")

    def remove_everything(self) -> None:
        """Removes every allocation and waits until all are gone."""
        token = self.admin()
        query = {"parent": "users/-", "pageSize": "1000"}
        listed = self.call("GET", "/v1/allocations", token, params=query).json()["allocations"]
        for one in listed:
            self.call("DELETE", f"/v1/{one['name']}", token)
        for one in listed:
            self.wait(token, one["name"], "DELETED")
