"""Moving between files and servers: nothing is lost on either way."""

from __future__ import annotations

import asyncio
import tarfile
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from allocctl.failures import Failure
from allocctl.keeping.archive import checked
from allocctl.keeping.archive_file import new_archive
from allocctl.keeping.installation import Installation, load_installation
from allocctl.keeping.migrating import migrate
from allocctl.keeping.rebuilding import rebuild_directory
from allocctl.keeping.restore import restore
from allocctl.keeping.revisions import revisions_of
from tests.keeping.former_installation import (
    SECRET,
    STOPPED,
    STORES,
    fill_what_is_empty,
    make_former,
    tables,
)
from tests.keeping.mesh_stores import mesh_stores

pytestmark = [pytest.mark.real_mesh, pytest.mark.timeout(300)]


@pytest.fixture
def mesh() -> Iterator[dict[str, str]]:
    with mesh_stores() as settings:
        yield settings


@pytest.fixture
def embedded(tmp_path: Path) -> Path:
    """Files at the newest revisions, with rows in them."""
    folder = make_former(tmp_path / "embedded")
    migrate(at(folder), backups=None, wait=0)
    fill_what_is_empty(folder)
    return folder


def at(folder: Path, **settings: str) -> Installation:
    return load_installation(environment={"ALLOCATOR_DATA_DIR": str(folder), **settings})


def contents(archive: Path) -> dict[str, list[bytes]]:
    """The lines of each table and topic, whatever their order."""
    with tarfile.open(archive) as tar:
        return {
            one.name: sorted(
                orjson.dumps(orjson.loads(line), option=orjson.OPT_SORT_KEYS)
                for line in tar.extractfile(one)  # type: ignore[union-attr]
            )
            for one in tar
            if one.name.startswith(("stores/", "bus/"))
        }


def stores(archive: Path) -> dict[str, list[bytes]]:
    """The lines of each table that has any, but the broker's: the former one held nothing of its own."""
    return {
        name: lines
        for name, lines in contents(archive).items()
        if lines and name.startswith("stores/") and not name.startswith("stores/broker/")
    }


def test_from_files_to_servers_and_back_every_row_and_record_is_there(
    embedded: Path, mesh: dict[str, str], tmp_path: Path
) -> None:
    new_archive(at(embedded), tmp_path / "files.tar.gz")
    node = tmp_path / "node"
    restore(at(node, **mesh), tmp_path / "files.tar.gz")
    new_archive(at(node, **mesh), tmp_path / "servers.tar.gz")
    manifest = checked(tmp_path / "servers.tar.gz")
    assert manifest["stores"]["machines"]["documents"]
    assert contents(tmp_path / "servers.tar.gz") == contents(tmp_path / "files.tar.gz")

    back = tmp_path / "back"
    restore(at(back), tmp_path / "servers.tar.gz")
    for name in set(STORES) - {"bus", "broker"}:
        assert tables(back / f"{name}.sqlite3") == tables(embedded / f"{name}.sqlite3"), name


def test_the_former_version_moves_to_servers_at_once(mesh: dict[str, str], tmp_path: Path) -> None:
    former = make_former(tmp_path / "former")
    new_archive(at(former), tmp_path / "former.tar.gz")
    node = at(tmp_path / "node", **mesh)
    restore(node, tmp_path / "former.tar.gz")
    new_archive(node, tmp_path / "servers.tar.gz")
    now = checked(tmp_path / "servers.tar.gz")["stores"]
    for name, about in now.items():
        assert about["revision"] == revisions_of(STORES[name])[-1]
    # As if it had been upgraded where it was, and had moved then.
    migrate(at(former), backups=None, wait=0)
    new_archive(at(former), tmp_path / "files.tar.gz")
    found, expected = (stores(tmp_path / f"{one}.tar.gz") for one in ("servers", "files"))
    assert found == expected
    assert found["stores/allocations/allocations.jsonl"]
    assert found["stores/allocations/usage_intervals.jsonl"]


def test_servers_that_hold_something_are_left_alone(
    embedded: Path, mesh: dict[str, str], tmp_path: Path
) -> None:
    new_archive(at(embedded), tmp_path / "a.tar.gz")
    restore(at(tmp_path / "node", **mesh), tmp_path / "a.tar.gz")
    with pytest.raises(Failure, match="is not empty") as refused:
        restore(at(tmp_path / "other", **mesh), tmp_path / "a.tar.gz")
    for there in ("users of users", "machines of machines", "allocator.users.state.v1 on the bus"):
        assert there in str(refused.value)


def test_the_directory_is_made_from_what_the_servers_hold(
    embedded: Path, mesh: dict[str, str], tmp_path: Path
) -> None:
    new_archive(at(embedded), tmp_path / "a.tar.gz")
    node = at(tmp_path / "node", **mesh)
    restore(node, tmp_path / "a.tar.gz")
    migrate(node, backups=None, wait=0)
    assert asyncio.run(rebuild_directory(node)) == 5
    assert asyncio.run(rebuild_directory(node)) == 5, "as often as one likes"


def test_a_node_that_stays_where_it_is_keeps_its_instances(
    embedded: Path, mesh: dict[str, str], tmp_path: Path
) -> None:
    new_archive(at(embedded), tmp_path / "a.tar.gz")
    before = (embedded / "docker.sqlite3").read_bytes()
    said: list[str] = []
    restore(at(embedded, **mesh), tmp_path / "a.tar.gz", say=said.append)
    assert (embedded / "docker.sqlite3").read_bytes() == before
    assert any("is here already" in line for line in said)
    new_archive(at(embedded, **mesh), tmp_path / "b.tar.gz")
    assert contents(tmp_path / "b.tar.gz") == contents(tmp_path / "a.tar.gz")


def test_a_secret_that_was_sealed_before_opens_after(
    embedded: Path, mesh: dict[str, str], tmp_path: Path
) -> None:
    from sqlalchemy import text

    from allocation_svc.composition import stores
    from chassis.clock import SystemClock
    from chassis.identity import Vault, kept_secrets
    from chassis.sql import open_database

    new_archive(at(embedded), tmp_path / "a.tar.gz")
    node = at(tmp_path / "node", **mesh)
    restore(node, tmp_path / "a.tar.gz")
    vault = Vault(*kept_secrets("", tmp_path / "node" / "keys" / "vault.key"))

    async def sealed() -> bytes:
        [store] = stores(node.settings)
        database = await open_database(store.url, store.schema, SystemClock(), migrate=False)
        query = text("SELECT sealed_secrets FROM allocations WHERE name = :name")
        found = await database.read(lambda c: c.execute(query, {"name": STOPPED}).scalar_one())
        await database.close()
        return bytes(found)

    assert SECRET.encode() in vault.open(asyncio.run(sealed()), STOPPED)


def test_migrating_twice_makes_and_changes_nothing_more(
    mesh: dict[str, str], tmp_path: Path
) -> None:
    node = at(tmp_path / "node", **mesh)
    first: list[str] = []
    migrate(node, backups=tmp_path / "backups", wait=30, say=first.append)
    assert any("from nothing to revision" in line for line in first)
    again: list[str] = []
    migrate(node, backups=tmp_path / "backups", wait=30, say=again.append)
    assert not any("from" in line for line in again)
    assert not (tmp_path / "backups").exists(), "there was nothing to lose"
