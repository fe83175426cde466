"""An installation that has grown on one machine goes on as services of their own, on servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from allocator_process import AllocatorProcess
from mesh_processes import MeshProcesses, Stores
from visitor import Visitor

from tests.http_endpoint import HttpEndpoint
from tests.keeping.grown import SECRET, Grown, allocctl, greeting, grow, kept, seen
from tests.keeping.grown_around import CALLS_THIS_HOST, check_around, seen_around

pytestmark = [pytest.mark.real_mesh, pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    made = Stores(tmp_path, on_servers=True)
    yield made
    made.drop()


@pytest.fixture
def endpoint() -> Iterator[HttpEndpoint]:
    """A program of Bob's."""
    with HttpEndpoint() as started:
        yield started


def test_people_instances_and_logs_go_on_in_the_mesh(
    stores: Stores, endpoint: HttpEndpoint, tmp_path: Path
) -> None:
    running = AllocatorProcess(tmp_path / "data", **CALLS_THIS_HOST).start(within=90)
    settings = {"ALLOCATOR_DATA_DIR": str(running.data_dir)}
    try:
        grown = grow(running, endpoint)
        before = seen(running, grown)
        archive = tmp_path / "all.tar.gz"
        refused = allocctl("export", archive, environment=settings)
        assert refused.returncode == 1
        assert b"is held by process" in refused.stderr
        assert not archive.exists()
    finally:
        running.stop()
        running.client.close()
    kept("export", archive, **settings)

    keeping = tmp_path / "keeping"
    node = {"ALLOCATOR_DOCKER_STATE_DIR": str(running.data_dir)}
    told = kept("import", archive, **stores.settings, **node, ALLOCATOR_DATA_DIR=str(keeping))
    assert f"ALLOCATOR_VAULT_KEY_FILE={keeping / 'keys' / 'vault.key'}" in told
    mesh = MeshProcesses(
        tmp_path / "mesh",
        stores=stores,
        ALLOCATOR_ALLOCATION_PORT_RANGE=running.environment["ALLOCATOR_ALLOCATION_PORT_RANGE"],
        ALLOCATOR_VAULT_KEY=(keeping / "keys" / "vault.key").read_text(),
        ALLOCATOR_SERVICE_SECRET=(keeping / "keys" / "service.secret").read_text(),
        **node,
        **CALLS_THIS_HOST,
    )
    mesh.admin_file.write_bytes((keeping / "admin.json").read_bytes())
    mesh.prepare()
    try:
        mesh.start()
        ada = mesh.log_in("ada@example.org")
        assert greeting(mesh, ada, grown.ready) == f"hello {SECRET}"
        generation = mesh.call("GET", f"/v1/{grown.ready}", ada).json()["generation"]
        assert generation == 1, "it is the very instance that ran before"
        assert seen(mesh, grown) == before
        check_around(mesh, grown.around, mesh.log_in("bob@example.org"), endpoint)
        around = said(mesh, grown.deleted)
        mesh.call("POST", f"/v1/{grown.stopped}:start", ada, json={})
        assert greeting(mesh, ada, grown.stopped) == f"later {SECRET}"
        told = kept("broker", "rebuild", **mesh_settings(mesh, keeping))
        assert "made anew from" in told
        copy = tmp_path / "mesh.tar.gz"
        kept("backup", copy, **mesh_settings(mesh, keeping))
        back = tmp_path / "back"
        kept("restore", copy, ALLOCATOR_DATA_DIR=str(back))
    finally:
        mesh.close()

    ports = running.environment["ALLOCATOR_ALLOCATION_PORT_RANGE"]
    home = AllocatorProcess(back, ALLOCATOR_ALLOCATION_PORT_RANGE=ports)
    check_back_at_home(home, grown, around)


def check_back_at_home(home: AllocatorProcess, grown: Grown, around: dict[str, Any]) -> None:
    """And back again, on one machine."""
    try:
        home.start(within=90)
        ada = home.log_in("ada@example.org")
        assert greeting(home, ada, grown.ready) == f"hello {SECRET}"
        assert greeting(home, ada, grown.stopped) == f"later {SECRET}"
        assert said(home, grown.deleted) == around
    finally:
        home.close()


def said(running: Visitor, gone: str) -> dict[str, Any]:
    """What is in the feed, on the timeline, and where Bob's webhook leads."""
    bob, admin = running.log_in("bob@example.org"), running.admin()
    return seen_around(running, bob, admin, gone)


def mesh_settings(mesh: MeshProcesses, keeping: Path) -> dict[str, str]:
    """What an operator's commands are given beside the services of a mesh."""
    wanted = ("_DATABASE_URL", "ALLOCATOR_BUS_", "ALLOCATOR_DOCKER_STATE", "_KEY", "_SECRET")
    given = {
        name: value
        for name, value in mesh.environment.items()
        if name.startswith("ALLOCATOR_") and any(part in name for part in wanted)
    }
    return {**given, "ALLOCATOR_DATA_DIR": str(keeping)}
