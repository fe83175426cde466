"""Logging in: against the password hash alone, and whether it tells that an account is not there."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from statistics import median

from argon2 import PasswordHasher

from benchmarks.figures import Figure, alternating
from benchmarks.running import PASSWORD, AllocatorProcess, allocator
from user_svc.settings import Settings

DEFAULTS = Settings()
EMAIL = "login@example.org"
PAIRS = 60
AT_ONCE = 2
BATCH = 40


def run() -> list[Figure]:
    with (
        tempfile.TemporaryDirectory() as folder,
        allocator(
            Path(folder) / "data",
            ALLOCATOR_USER_ARGON2_MEMORY_KIB=str(DEFAULTS.argon2_memory_kib),
            ALLOCATOR_USER_ARGON2_PASSES=str(DEFAULTS.argon2_passes),
            ALLOCATOR_USER_FREE_FAILURES_PER_ADDRESS="100000",
            ALLOCATOR_USER_FREE_FAILURES_PER_USER="100000",
        ) as running,
    ):
        email = EMAIL
        running.person(email)
        return measured(running, email)


def measured(running: AllocatorProcess, email: str) -> list[Figure]:
    """One log-in after the other, two at a time, and of nobody."""
    hasher = PasswordHasher(
        time_cost=DEFAULTS.argon2_passes, memory_cost=DEFAULTS.argon2_memory_kib, parallelism=1
    )
    stored = hasher.hash(PASSWORD)
    strangers = count()

    def hashed() -> float:
        began = time.perf_counter()
        hasher.verify(stored, PASSWORD)
        return time.perf_counter() - began

    # What a client costs is not the log-in's: this one costs a fifth of what a comfortable one does.
    mine = threading.local()

    def asked(address: str, password: str, status: int) -> float:
        if not hasattr(mine, "connection"):
            mine.connection = HTTPConnection(running.http, timeout=60)
        body = json.dumps({"email": address, "password": password})
        began = time.perf_counter()
        mine.connection.request("POST", "/v1/sessions", body, {"content-type": "application/json"})
        answer = mine.connection.getresponse()
        said = answer.read()
        seconds = time.perf_counter() - began
        assert answer.status == status, said
        return seconds

    def logged_in() -> float:
        return asked(email, PASSWORD, 200)

    def wrong() -> float:
        return asked(email, "not the password at all", 401)

    def unknown() -> float:
        return asked(f"nobody-{next(strangers)}@example.org", "not the password at all", 401)

    for warm in (hashed, logged_in, wrong, unknown):
        warm()
    ours, alone, ratio = alternating(logged_in, hashed, PAIRS)

    def at_once(work: object) -> float:
        began = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda _: work(), range(BATCH)))  # type: ignore[operator]
        return time.perf_counter() - began

    many, many_alone, many_ratio = alternating(
        lambda: at_once(logged_in), lambda: at_once(hashed), 5
    )
    nobody, somebody, told = alternating(unknown, wrong, PAIRS)
    return [
        Figure(
            "a log-in over REST",
            "the argon2 hash alone",
            ratio,
            "≤ 1.2",
            "×",
            f"{median(ours) * 1000:.1f} against {median(alone) * 1000:.1f} ms",
        ),
        Figure(
            f"{BATCH} log-ins, {AT_ONCE} at a time",
            "the hash alone, as many at a time",
            many_ratio,
            "≤ 1.2",
            "×",
            f"{BATCH / median(many):.0f}/s against {BATCH / median(many_alone):.0f}/s",
        ),
        Figure(
            "a log-in with an address that has no account",
            "a log-in with a wrong password",
            told,
            "≤ 1.1",
            "×",
            f"{median(nobody) * 1000:.1f} against {median(somebody) * 1000:.1f} ms",
        ),
    ]
