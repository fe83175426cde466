"""What an archive carries over, row by row, and when it is refused."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from allocctl.failures import Failure
from allocctl.keeping.archive_file import new_archive
from allocctl.keeping.installation import Installation, load_installation
from allocctl.keeping.migrating import migrate
from allocctl.keeping.restore import restore
from chassis.bus import Record, facts_topic, state_topic
from chassis.bus.outbox import append, outbox_table
from chassis.clock import SystemClock
from chassis.sql import open_database
from tests.keeping.former_installation import (
    STOPPED,
    STORES,
    columns,
    fill_what_is_empty,
    make_former,
    revision,
    tables,
)

GREETER = "machines/greeter"
OWNERS = sorted(set(STORES) - {"bus"})


def at(folder: Path, **settings: str) -> Installation:
    return load_installation(environment={"ALLOCATOR_DATA_DIR": str(folder), **settings})


@pytest.fixture
def former(tmp_path: Path) -> Path:
    return make_former(tmp_path / "former")


@pytest.fixture
def present(tmp_path: Path) -> Path:
    """At the newest revisions."""
    folder = make_former(tmp_path / "present")
    migrate(at(folder), backups=None, wait=0)
    fill_what_is_empty(folder)
    return folder


def changed(archive: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The archive with other content, whose manifest says that this is as it should be."""
    with tarfile.open(archive) as tar:
        content = {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]
    change(content)
    path = archive.with_name("changed.tar.gz")
    with tarfile.open(path, "w:gz") as tar:
        for name, value in content.items():
            about = tarfile.TarInfo(name)
            about.size = len(value)
            tar.addfile(about, io.BytesIO(value))
    return path


def test_every_row_of_every_store_comes_back(present: Path, tmp_path: Path) -> None:
    new_archive(at(present), tmp_path / "a.tar.gz")
    there = tmp_path / "there"
    restore(at(there), tmp_path / "a.tar.gz")
    for name in OWNERS:
        file = f"{name}.sqlite3"
        assert own_tables(there / file) == own_tables(present / file), name
        assert revision(there / file) == revision(present / file)
    for file in ("admin.json", "runtime.json", "keys/vault.key", "keys/service.secret"):
        assert (there / file).read_bytes() == (present / file).read_bytes(), file
    kept = {path.relative_to(present): path.read_bytes() for path in logs(present)}
    assert kept
    assert {path.relative_to(there): path.read_bytes() for path in logs(there)} == kept
    for path in logs(present):
        assert (there / path.relative_to(present)).stat().st_mtime == pytest.approx(
            path.stat().st_mtime, abs=1
        ), "what is kept for a time by its age keeps its age"


def own_tables(file: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row, without the broker's directory, which is made anew from the bus."""
    return {
        name: rows for name, rows in tables(file).items() if name not in {"directories", "entries"}
    }


def logs(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "journal").glob("*/*") if path.is_file())


def test_an_archive_of_the_former_version_is_brought_forward(former: Path, tmp_path: Path) -> None:
    new_archive(at(former), tmp_path / "a.tar.gz")
    there, migrated = tmp_path / "there", make_former(tmp_path / "migrated")
    restore(at(there), tmp_path / "a.tar.gz")
    migrate(at(migrated), backups=None, wait=0)
    # The broker of that version held nothing of its own.
    for name in set(OWNERS) - {"broker"}:
        file = f"{name}.sqlite3"
        assert revision(there / file) == revision(migrated / file)
        assert tables(there / file) == tables(migrated / file), name


def test_what_waits_to_be_published_still_waits_and_its_numbers_go_on(
    present: Path, tmp_path: Path
) -> None:
    waiting = Record(state_topic("allocations"), STOPPED, b"new", {"version": "7"})
    asyncio.run(add_to_outbox(present, waiting))
    before = tables(present / "allocations.sqlite3")["outbox"]
    assert len(before) == 1
    new_archive(at(present), tmp_path / "a.tar.gz")
    there = tmp_path / "there"
    restore(at(there), tmp_path / "a.tar.gz")
    assert tables(there / "allocations.sqlite3")["outbox"] == before
    asyncio.run(add_to_outbox(there, waiting))
    first, second = (row[0] for row in tables(there / "allocations.sqlite3")["outbox"])
    assert (first, second) == (before[0][0], before[0][0] + 1)


async def add_to_outbox(folder: Path, record: Record) -> None:
    from sqlalchemy import MetaData

    table = outbox_table(MetaData())
    database = await open_database(
        f"sqlite:///{folder / 'allocations.sqlite3'}", "allocation_svc.schema", SystemClock()
    )
    await database.write(lambda conn: append(conn, table, [record], SystemClock().now()))
    await database.close()


def test_who_leads_is_not_restored(present: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(present / "users.sqlite3")) as rows, rows:
        rows.execute("INSERT INTO leases VALUES ('user_svc', 'host-1', 'host:1', 7, 3)")
    new_archive(at(present), tmp_path / "a.tar.gz")
    restore(at(tmp_path / "there"), tmp_path / "a.tar.gz")
    with closing(sqlite3.connect(tmp_path / "there" / "users.sqlite3")) as rows:
        assert rows.execute("SELECT count(*) FROM leases").fetchone() == (0,)


def test_the_bus_says_what_it_said(present: Path, tmp_path: Path) -> None:
    new_archive(at(present), tmp_path / "a.tar.gz")
    there = tmp_path / "there"
    restore(at(there), tmp_path / "a.tar.gz")

    def said(folder: Path) -> dict[object, list[tuple[object, ...]]]:
        by_topic: dict[object, list[tuple[object, ...]]] = {}
        with closing(sqlite3.connect(folder / "bus.sqlite3")) as rows:
            for row in rows.execute(
                "SELECT topic, key, value, headers FROM records ORDER BY position"
            ):
                by_topic.setdefault(row[0], []).append(row[1:])
        return by_topic

    assert said(there) == said(present)


def test_what_the_bus_heard_after_its_owner_was_read_is_put_back(
    present: Path, tmp_path: Path
) -> None:
    """As if all of it had happened between reading the store and reading the bus."""
    with closing(sqlite3.connect(present / "allocations.sqlite3")) as rows, rows:
        for table in ("nodes", "volumes"):
            rows.execute(f"UPDATE {table} SET name = '{table}/here', version = 3")
    [row] = [r for r in tables(present / "allocations.sqlite3")["allocations"] if r[0] == STOPPED]
    version = int(row[6])  # type: ignore[call-overload]
    newer = {"version": str(version + 1)}
    late = [
        Record(state_topic("allocations"), STOPPED, b"later", newer),
        Record(facts_topic("allocations"), STOPPED, b"later fact", newer),
        Record(state_topic("machines"), "machines/greeter", b"", {"version": "9"}),
        Record(state_topic("allocations"), "allocations/notyet1", b"ghost", {"version": "1"}),
        Record(state_topic("machines"), "machines/gone", b"", {"version": "3"}),
        Record(state_topic("nodes"), "nodes/here", b"later", {"version": "4"}),
        Record(facts_topic("nodes"), "nodes/here", b"later fact", {"version": "4"}),
        Record(facts_topic("volumes"), "volumes/here", b"fact", {"version": "3"}),
        Record(state_topic("volumes"), "volumes/here", b"", {"version": "4"}),
        Record(state_topic("volumes"), "volumes/notyet", b"ghost", {"version": "1"}),
    ]
    asyncio.run(publish(present, late))
    new_archive(at(present), tmp_path / "a.tar.gz")
    there = tmp_path / "there"
    restore(at(there), tmp_path / "a.tar.gz")
    records = {
        (row[1], row[2], row[3]): json.loads(str(row[4]))
        for row in tables(there / "bus.sqlite3")["records"]
    }
    first, fact, ended, ghost, gone, *others = ((r.topic, r.key, r.value) for r in late)
    assert records[first]["version"] == str(version), "it is put right by the owner's next change"
    assert fact not in records, "a fact that has not happened"
    assert ended not in records, "the end of what is there"
    assert ghost not in records, "what nobody has made"
    assert gone in records, "the end of what is not there"
    node, node_fact, volume_fact, volume_ended, volume_ghost = others
    assert records[node]["version"] == "3"
    assert volume_fact in records
    assert not {node_fact, volume_ended, volume_ghost} & set(records)


async def publish(folder: Path, records: list[Record]) -> None:
    from chassis.bus import open_bus

    bus = await open_bus(f"sqlite:///{folder / 'bus.sqlite3'}", SystemClock())
    await bus.publish(records)
    await bus.close()


def test_a_feed_and_its_machine_have_one_key_and_versions_of_their_own(
    present: Path, tmp_path: Path
) -> None:
    [machine] = [
        r for r in columns(present / "machines.sqlite3")["machines"] if r["name"] == GREETER
    ]
    version = int(str(machine["version"])) + 7
    asyncio.run(say_something(present, version))
    states = [
        Record(state_topic("feed"), GREETER, b"sum", {"version": str(version)}),
        Record(facts_topic("feed"), GREETER, b"not yet", {"version": str(version + 1)}),
        Record(facts_topic("timeline"), GREETER, b"told", {"version": "0"}),
    ]
    asyncio.run(publish(present, states))
    new_archive(at(present), tmp_path / "a.tar.gz")
    there = tmp_path / "there"
    restore(at(there), tmp_path / "a.tar.gz")
    assert tables(there / "feed.sqlite3") == tables(present / "feed.sqlite3")
    records = {
        (row["topic"], row["value"]): json.loads(str(row["headers"]))["version"]
        for row in columns(there / "bus.sqlite3")["records"]
        if row["key"] == GREETER
    }
    kept, newer, told = ((one.topic, one.value) for one in states)
    assert records[kept] == str(version), "whatever the version of the machine"
    assert newer not in records
    assert records[told] == "0"
    assert (state_topic("machines"), machine["version"]) in {
        (topic, int(found)) for (topic, _), found in records.items()
    }


async def say_something(folder: Path, version: int) -> None:
    from sqlalchemy import insert

    from feed_svc.schema.tables import FEEDS

    database = await open_database(
        f"sqlite:///{folder / 'feed.sqlite3'}", "feed_svc.schema", SystemClock()
    )
    numbers = dict.fromkeys([column.name for column in FEEDS.columns], 0)
    feed = {**numbers, "machine": GREETER, "version": version, "end_time": None}
    await database.write(lambda conn: conn.execute(insert(FEEDS), feed))
    await database.close()


def test_an_archive_of_a_newer_schema_is_refused_before_anything_is_written(
    present: Path, tmp_path: Path
) -> None:
    new_archive(at(present), tmp_path / "a.tar.gz")

    def newer(content: dict[str, bytes]) -> None:
        manifest: dict[str, Any] = json.loads(content["manifest.json"])
        manifest["program"] = "7.1"
        manifest["stores"]["users"]["revision"] = "0999"
        content["manifest.json"] = json.dumps(manifest).encode()

    with pytest.raises(Failure, match=r"allocator 7\.1.*revision 0999 of users"):
        restore(at(tmp_path / "there"), changed(tmp_path / "a.tar.gz", newer))
    assert not (tmp_path / "there").exists()


def test_a_damaged_archive_is_refused_before_anything_is_written(
    present: Path, tmp_path: Path
) -> None:
    new_archive(at(present), tmp_path / "a.tar.gz")

    def damage(content: dict[str, bytes]) -> None:
        name = "stores/users/users.jsonl"
        content[name] = content[name].replace(b"ada@", b"eve@")

    with pytest.raises(Failure, match=r"users\.jsonl is not what was written"):
        restore(at(tmp_path / "there"), changed(tmp_path / "a.tar.gz", damage))
    assert not (tmp_path / "there").exists()


def test_another_key_than_the_archives_is_refused(present: Path, tmp_path: Path) -> None:
    new_archive(at(present), tmp_path / "a.tar.gz")
    other = at(tmp_path / "there", ALLOCATOR_VAULT_KEY="A" * 43 + "=")
    with pytest.raises(Failure, match="ALLOCATOR_VAULT_KEY gives another key"):
        restore(other, tmp_path / "a.tar.gz")
    assert not (tmp_path / "there" / "users.sqlite3").exists()
    same = (present / "keys" / "vault.key").read_text()
    restore(at(tmp_path / "there", ALLOCATOR_VAULT_KEY=same), tmp_path / "a.tar.gz")
    assert not (tmp_path / "there" / "keys" / "vault.key").exists(), "the setting has it"


def test_certificates_go_along_when_they_are_named(present: Path, tmp_path: Path) -> None:
    certs = tmp_path / "certs"
    (certs / "user_svc").mkdir(parents=True)
    (certs / "ca.pem").write_text("authority")
    (certs / "user_svc" / "key.pem").write_text("key")
    new_archive(at(present), tmp_path / "a.tar.gz", certificates=certs)
    restore(at(tmp_path / "there"), tmp_path / "a.tar.gz", certificates=tmp_path / "new")
    assert (tmp_path / "new" / "ca.pem").read_text() == "authority"
    assert (tmp_path / "new" / "user_svc" / "key.pem").read_text() == "key"


def test_without_any_store_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="nothing to back up"):
        new_archive(at(tmp_path / "nothing"), tmp_path / "a.tar.gz")
    assert not list(tmp_path.iterdir()), "neither an archive nor half of one"


def test_rows_come_in_pages_whatever_their_key(present: Path, tmp_path: Path) -> None:
    """More than a page, by a key of one column and by one of three."""
    with closing(sqlite3.connect(present / "allocations.sqlite3")) as rows, rows:
        rows.executemany(
            "INSERT INTO tallies (subject, used) VALUES (?, ?)",
            ((f"users/of-many-{n}", n) for n in range(5000)),
        )
        rows.executemany(
            "INSERT INTO port_leases VALUES (?, ?, ?, '', NULL)",
            (
                (node, protocol, port)
                for node in ("a", "b")
                for protocol in ("tcp", "udp")
                for port in range(700)
            ),
        )
    new_archive(at(present), tmp_path / "a.tar.gz")
    restore(at(tmp_path / "there"), tmp_path / "a.tar.gz")
    assert tables(tmp_path / "there" / "allocations.sqlite3") == tables(
        present / "allocations.sqlite3"
    )


def test_a_store_that_is_empty_but_migrated_can_be_filled(present: Path, tmp_path: Path) -> None:
    new_archive(at(present), tmp_path / "a.tar.gz")
    there = tmp_path / "there"
    shutil.copytree(present, there)
    for name in STORES:
        with closing(sqlite3.connect(there / f"{name}.sqlite3")) as rows, rows:
            for table in tables(there / f"{name}.sqlite3"):
                if table != "directories":
                    rows.execute(f"DELETE FROM {table}")
    for path in ("journal", "mailbox", "keys"):
        shutil.rmtree(there / path)
    for path in ("admin.json", "runtime.json"):
        (there / path).unlink()
    restore(at(there), tmp_path / "a.tar.gz")
    assert tables(there / "users.sqlite3") == tables(present / "users.sqlite3")
