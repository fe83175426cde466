"""Stores that stop and start again under a mesh at work."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kafka_server import KafkaServer
from mesh_load import Load, settled
from mesh_processes import MeshProcesses, Stores
from proxy import Proxy
from stored import rows

from chassis.bus import Record, facts_topic, open_bus
from chassis.clock import SystemClock

# How long each server is away.
AWAY_SECONDS = float(os.environ.get("ALLOCATOR_TEST_AWAY_SECONDS", "8"))
pytestmark = [pytest.mark.real_mesh, pytest.mark.timeout(int(400 + AWAY_SECONDS))]
STORES = {
    "sql": (
        "ALLOCATOR_USER_DATABASE_URL",
        "ALLOCATOR_ALLOCATION_DATABASE_URL",
        "ALLOCATOR_NOTIFIER_DATABASE_URL",
    ),
    "documents": ("ALLOCATOR_MACHINES_DATABASE_URL", "ALLOCATOR_BROKER_DATABASE_URL"),
    "cache": ("ALLOCATOR_CACHE_URL",),
}


class Servers:
    """A proxy before each kind of server, in a thread of its own."""

    def __init__(self, stores: Stores) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._proxies: dict[str, Proxy] = {}
        for kind, settings in STORES.items():
            where = urlsplit(stores.settings[settings[0]])
            assert where.hostname
            assert where.port
            proxy = Proxy(where.hostname, where.port)
            self._run(proxy.start())
            self._proxies[kind] = proxy
            for setting in settings:
                stores.move(setting, proxy.address)

    def stop(self, kind: str) -> None:
        self._run(self._proxies[kind].stop())

    def start(self, kind: str) -> None:
        self._run(self._proxies[kind].start())

    def hang(self, kind: str) -> None:
        self._loop.call_soon_threadsafe(self._proxies[kind].hang)

    def flow(self, kind: str) -> None:
        self._loop.call_soon_threadsafe(self._proxies[kind].flow)

    def close(self) -> None:
        for proxy in self._proxies.values():
            self._run(proxy.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def servers_and_mesh(tmp_path_factory) -> Iterator[tuple[Servers, MeshProcesses]]:
    folder = tmp_path_factory.mktemp("mesh")
    stores = Stores(folder, on_servers=True)
    servers = Servers(stores)
    made = MeshProcesses(
        folder,
        stores=stores,
        replicas={"user_svc": 2, "allocation_svc": 2, "machines_svc": 2},
        ALLOCATOR_ALLOCATION_SWEEP_SECONDS="2",
        ALLOCATOR_ALLOCATION_ORPHAN_GRACE_SECONDS="1",
        ALLOCATOR_ALLOCATION_PORT_REST_SECONDS="1",
        ALLOCATOR_ALLOCATION_QUOTA="1000",
    )
    try:
        yield servers, made.start()
    finally:
        made.close()
        servers.close()


def until_well(mesh: MeshProcesses, token: str, within: float = 20.0) -> float:
    """How long it takes until somebody can rent again, in seconds."""
    since = time.monotonic()
    while time.monotonic() - since < within:
        answer = mesh.call("POST", "/v1/allocations", token, json={"machine": "machines/ticker"})
        if answer.status_code == 200:
            mesh.call("DELETE", f"/v1/{answer.json()['name']}", token)
            return time.monotonic() - since
        time.sleep(0.1)
    raise AssertionError(f"nothing can be rented after {within} s: {answer.text}")


@pytest.mark.parametrize("how", ["stopped", "hanging"])
@pytest.mark.parametrize("kind", STORES)
def test_a_store_that_is_away_is_said_and_recovered_from(
    servers_and_mesh: tuple[Servers, MeshProcesses], kind: str, how: str
) -> None:
    servers, mesh = servers_and_mesh
    before = {replica.name: replica.process.pid for replica in mesh.replicas}
    stranger = mesh.person(f"{kind}-{how}@example.org")
    owner = mesh.person(f"other-{kind}-{how}@example.org")
    mine = mesh.rent(owner, "ticker")["name"]
    with Load(mesh) as load:
        (servers.stop if how == "stopped" else servers.hang)(kind)
        away_until = time.monotonic() + AWAY_SECONDS
        slowest, refused = 0.0, 0
        while time.monotonic() < away_until:
            began = time.monotonic()
            answer = mesh.call("GET", f"/v1/{mine}", stranger)
            slowest = max(slowest, time.monotonic() - began)
            # Never another's, whatever is away.
            assert answer.status_code in {404, 503, 504}, answer.text
            if answer.status_code == 503:
                refused += 1
                assert int(answer.headers["retry-after"]) >= 1
                assert answer.headers["content-type"] == "application/problem+json"
            time.sleep(0.05)
        if how == "stopped":
            servers.start(kind)
        else:
            servers.flow(kind)
        took = until_well(mesh, stranger)
    assert took < 15
    assert (refused > 0) == (kind == "sql"), "who needs the store says so, and nobody else"
    assert slowest < 31
    mesh.call("DELETE", f"/v1/{mine}", owner)
    settled(mesh, load)
    now = {replica.name: replica.process.pid for replica in mesh.replicas}
    assert now == before
    assert all(replica.process.poll() is None for replica in mesh.replicas), "nothing was restarted"


def test_a_flushed_cache_loses_nothing(
    servers_and_mesh: tuple[Servers, MeshProcesses],
) -> None:
    import redis

    _, mesh = servers_and_mesh
    token = mesh.person("flushed@example.org")
    name = mesh.rent(token, "ticker")["name"]
    mesh.wait(token, name, "READY")
    with redis.Redis.from_url(mesh.stores.settings["ALLOCATOR_CACHE_URL"]) as cache:
        cache.flushdb()
    assert mesh.call("GET", "/v1/users/me", token).status_code == 200
    assert mesh.call("GET", "/v1/machines", token).json()["machines"]
    assert mesh.call("GET", f"/v1/{name}", token).json()["state"] == "READY"
    assert mesh.log_in("flushed@example.org")
    mesh.call("DELETE", f"/v1/{name}", token)
    mesh.wait(token, name, "DELETED")


def test_a_bus_that_is_away_holds_no_write_up_and_loses_no_fact(tmp_path: Path) -> None:
    """The bus is a server of the test's own, which is killed for a while."""
    folder = tmp_path / "kafka"
    folder.mkdir()
    kafka = KafkaServer(folder)
    with asyncio.Runner() as loop:
        loop.run(kafka.format())
        loop.run(kafka.start())
        stores = Stores(tmp_path, on_servers=True)
        stores.settings["ALLOCATOR_BUS_URL"] = f"kafka://{kafka.bootstrap}"
        mesh = MeshProcesses(tmp_path, stores=stores)
        try:
            mesh.start()
            loop.run(kafka.kill())
            since = time.monotonic()
            names = [rented(mesh, number) for number in range(5)]
            assert waiting_facts(mesh) > 0, "they are kept while the bus is away"
            while time.monotonic() - since < AWAY_SECONDS:
                began = time.monotonic()
                assert mesh.call("GET", "/v1/machines").status_code == 200
                assert time.monotonic() - began < 5
                time.sleep(0.2)
            loop.run(kafka.start())
            until = time.monotonic() + 60
            while waiting_facts(mesh):
                assert time.monotonic() < until, "facts wait although the bus is back"
                time.sleep(0.2)
            loop.run(assert_published_in_order(kafka.bootstrap, set(names)))
        finally:
            mesh.close()
            loop.run(kafka.kill())


def rented(mesh: MeshProcesses, number: int) -> str:
    """Signs somebody up who rents, stops and removes: its name."""
    token = mesh.person(f"bus-{number}@example.org")
    name = str(mesh.rent(token, "ticker")["name"])
    mesh.wait(token, name, "READY")
    mesh.call("DELETE", f"/v1/{name}", token)
    mesh.wait(token, name, "DELETED")
    return name


def waiting_facts(mesh: MeshProcesses) -> int:
    """How many facts wait to be published."""
    return sum(
        rows(mesh.stores.settings[setting], "SELECT COUNT(*) FROM outbox")[0][0]
        for setting in ("ALLOCATOR_USER_DATABASE_URL", "ALLOCATOR_ALLOCATION_DATABASE_URL")
    )


async def assert_published_in_order(bootstrap: str, names: set[str]) -> None:
    """Every fact of every allocation is on the bus, each after the one before."""
    versions: dict[str, list[int]] = {name: [] for name in names}
    kinds: dict[str, list[str]] = {name: [] for name in names}

    bus = await open_bus(f"kafka://{bootstrap}", SystemClock())
    ended: set[str] = set()

    async def learn(record: Record) -> None:
        if record.key in versions:
            seen = versions[record.key]
            version = int(record.headers["version"])
            if version not in seen:
                seen.append(version)
                kinds[record.key].append(record.headers["ce-type"].rpartition(".")[2])
            if "Deleted" in record.headers["ce-type"]:
                ended.add(record.key)
            if ended == names:
                done.set()

    done = asyncio.Event()
    reading = asyncio.create_task(bus.consume("reader", [facts_topic("allocations")], learn))
    try:
        async with asyncio.timeout(30):
            await done.wait()
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await bus.close()
    for name, seen in versions.items():
        assert seen == sorted(seen), name
        assert kinds[name][0] == "AllocationCreated"
        assert kinds[name][-1] == "AllocationDeleted"
        assert "AllocationReady" in kinds[name]
