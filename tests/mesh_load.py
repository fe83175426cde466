"""People who go on while everything is restarted under them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2
from mesh_processes import MeshProcesses
from stored import leased_ports
from visitor import Visitor

# What a client is told to try again.
LATER = {429, 502, 503, 504}


class Load:
    """Reads and rents from a few threads, and remembers what it was answered.

    Args:
        visitor: of what.
        renters: how many threads rent.
        readers: how many read.
        pause: between two rents of a thread, in seconds. Without one they take the whole of a small machine.

    Attributes:
        outcomes: how often each status was answered; 0 where there was no answer.
        wrong: answers that nobody should get, whatever is restarted.
        kept: names of allocations whose creation was answered and whose removal was not.
        removed: names of those whose removal was answered.
    """

    def __init__(
        self, visitor: Visitor, *, renters: int = 1, readers: int = 1, pause: float = 0.0
    ) -> None:
        self.outcomes: Counter[int] = Counter()
        self.wrong: list[str] = []
        self.kept: set[str] = set()
        self.removed: set[str] = set()
        self._visitor = visitor
        self._pause = pause
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._token = visitor.person(f"load-{time.monotonic_ns()}@example.org")
        self._threads = [
            threading.Thread(target=work, daemon=True)
            for work in [self._rent] * renters + [self._read] * readers
        ]

    @property
    def token(self) -> str:
        """Of the person who rents."""
        return self._token

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def _ask(
        self, client: httpx2.Client, verb: str, path: str, **rest: object
    ) -> httpx2.Response | None:
        headers = {"authorization": f"Bearer {self._token}", **rest.pop("headers", {})}  # type: ignore[dict-item]
        try:
            answer = client.request(verb, path, headers=headers, **rest)  # type: ignore[arg-type]
        except httpx2.HTTPError:
            answer = None
        status = answer.status_code if answer is not None else 0
        with self._lock:
            self.outcomes[status] += 1
            if answer is not None and status >= 400 and status not in LATER:
                self.wrong.append(f"{verb} {path}: {status} {answer.text[:300]}")
        return answer

    def _patiently(
        self, client: httpx2.Client, verb: str, path: str, **rest: object
    ) -> httpx2.Response | None:
        """Asks again what was not answered, as a client shall: with the same request id."""
        for _ in range(200):
            answer = self._ask(client, verb, path, **dict(rest))
            if answer is not None and answer.status_code not in LATER:
                return answer
            time.sleep(0.1)
        return None

    def _rent(self) -> None:
        from uuid import uuid4

        with self._visitor.open_client() as client:
            while not self._stop.is_set():
                made = self._patiently(
                    client,
                    "POST",
                    "/v1/allocations",
                    json={"machine": "machines/ticker"},
                    headers={"idempotency-key": str(uuid4())},
                )
                if made is None or made.status_code != 200:
                    continue
                name = made.json()["name"]
                with self._lock:
                    self.kept.add(name)
                self._patiently(client, "GET", f"/v1/{name}")
                gone = self._patiently(client, "DELETE", f"/v1/{name}")
                if gone is not None and gone.status_code == 200:
                    with self._lock:
                        self.kept.discard(name)
                        self.removed.add(name)
                time.sleep(self._pause)

    def _read(self) -> None:
        with self._visitor.open_client() as client:
            while not self._stop.is_set():
                for path in ("/v1/users/me", "/v1/machines", "/v1/allocations"):
                    self._ask(client, "GET", path)
                    time.sleep(0.02)


def settled(mesh: MeshProcesses, load: Load, within: float = 60.0) -> None:
    """Waits until everything has come to rest, and looks whether anything was lost or left over."""
    for name in load.removed:
        mesh.wait(load.token, name, "DELETED", within=within)
    for name in load.kept:
        # Its removal was perhaps not even asked for.
        mesh.call("DELETE", f"/v1/{name}", load.token)
    for name in load.kept:
        mesh.wait(load.token, name, "DELETED", within=within)
    until = time.monotonic() + within
    while left := [f.name for f in instance_folders(mesh)]:
        assert time.monotonic() < until, f"instances are left over: {left}"
        time.sleep(0.1)
    assert leased_ports(mesh.stores.settings["ALLOCATOR_ALLOCATION_DATABASE_URL"]) == []
    assert load.wrong == []


def instance_folders(mesh: MeshProcesses) -> list[Path]:
    """The instances that the node has."""
    folder = mesh.folder / "node" / "instances"
    return [f for f in folder.iterdir() if not f.name.startswith(".")] if folder.is_dir() else []
