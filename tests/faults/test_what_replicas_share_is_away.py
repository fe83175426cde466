"""A whole allocator whose key-value server is not there: it works, limits, and says what it lacks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from allocator_process import AllocatorProcess
from free_ports import free_port

HOW_LONG = 20.0


@pytest.fixture
def running(tmp_path: Path) -> Iterator[AllocatorProcess]:
    """An allocator that is to share limits and a cache at an address where nothing listens."""
    allocator = AllocatorProcess(
        tmp_path / "data",
        ALLOCATOR_CACHE_URL=f"redis://127.0.0.1:{free_port()}/0",
        ALLOCATOR_USER_FREE_FAILURES_PER_USER="2",
    )
    yield allocator.start()
    allocator.close()


def test_it_works_limits_and_says_what_it_lacks(running: AllocatorProcess) -> None:
    token = running.person("ada@example.org")
    assert running.call("GET", "/v1/machines", token).status_code == 200
    assert "age" in running.call("GET", "/v1/machines", token).headers
    wrong = {"email": "ada@example.org", "password": "a wrong password"}
    answers = [running.call("POST", "/v1/sessions", json=wrong) for _ in range(3)]
    assert [one.status_code for one in answers] == [401, 401, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1

    until = time.monotonic() + HOW_LONG
    while time.monotonic() < until:
        ready = running.call("GET", "/readyz")
        assert ready.status_code == 200, "traffic is never held away for it"
        if (
            "each replica counts limits for itself" in ready.text
            and "cache of its own" in ready.text
        ):
            return
    raise AssertionError(ready.text)
