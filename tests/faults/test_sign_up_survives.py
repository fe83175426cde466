"""A crash right after a sign-up loses neither the account nor its code."""

from __future__ import annotations

import time
from pathlib import Path

import httpx2
from allocator_process import PASSWORD, AllocatorProcess


def read(allocator: AllocatorProcess, token: str, within: float = 10.0) -> httpx2.Response:
    """The answer to whoever has a token, once it is known which tokens are revoked."""
    until = time.monotonic() + within
    while True:
        answer = allocator.call("GET", "/v1/users/me", token)
        if answer.status_code != 503 or time.monotonic() > until:
            return answer
        time.sleep(0.02)


def test_a_code_is_mailed_although_the_process_was_killed_at_once(tmp_path: Path) -> None:
    allocator = AllocatorProcess(tmp_path / "data")
    emails = [f"p{n}@example.org" for n in range(5)]
    try:
        for email in emails:
            allocator.start()
            answer = allocator.call(
                "POST", "/v1/users", json={"user": {"email": email}, "password": PASSWORD}
            )
            allocator.kill()
            assert answer.status_code == 200, answer.text
        allocator.start()
        for email in emails:
            code = allocator.mailed_code(email)
            answer = allocator.call("POST", "/v1/users:verify", json={"email": email, "code": code})
            assert answer.status_code == 200, answer.text
            assert allocator.log_in(email)
    finally:
        allocator.close()


def test_sessions_and_keys_survive_a_crash(tmp_path: Path) -> None:
    allocator = AllocatorProcess(tmp_path / "data")
    try:
        allocator.start()
        token = allocator.person("ada@example.org")
        leaving = allocator.log_in("ada@example.org")
        keys = allocator.call("GET", "/.well-known/jwks.json").json()
        answer = allocator.call("GET", "/v1/sessions", leaving)
        current = next(one for one in answer.json()["sessions"] if one["current"])
        assert allocator.call("DELETE", f"/v1/{current['name']}", leaving).status_code == 200
        allocator.kill()
        allocator.start()
        assert allocator.call("GET", "/.well-known/jwks.json").json() == keys
        assert read(allocator, token).status_code == 200
        refused = read(allocator, leaving)
        assert refused.json()["reason"] == "TOKEN_REVOKED"
    finally:
        allocator.close()
