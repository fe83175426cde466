"""The version before this one is upgraded with its data, and everything is there."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from allocator_process import AllocatorProcess

from allocctl.failures import Failure
from allocctl.keeping.archive import checked
from allocctl.keeping.installation import load_installation
from allocctl.keeping.migrating import migrate
from allocctl.keeping.restore import restore
from allocctl.keeping.revisions import revisions_of
from chassis.sql.copies import copies_of
from tests.keeping.former_installation import (
    DELETED,
    SECRET,
    STOPPED,
    STORES,
    columns,
    make_former,
    revision,
)
from tests.keeping.grown import allocctl, greeting


@pytest.fixture
def former(tmp_path: Path) -> Path:
    return make_former(tmp_path / "data")


def files(folder: Path) -> list[str]:
    return [name for name in STORES if revision(folder / f"{name}.sqlite3") == "0001"]


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_it_starts_on_the_data_of_the_former_version(former: Path) -> None:
    running = AllocatorProcess(former, ALLOCATOR_ALLOCATION_PORT_RANGE="20100-20199")
    running.start(within=90)
    try:
        ada = running.log_in("ada@example.org")
        herself = running.call("GET", "/v1/users/me", ada).json()
        assert (herself["verified"], herself["emailVerified"]) == (True, True)
        assert (herself["phoneVerified"], herself["languageCode"]) == (False, "en")
        stopped = running.call("GET", f"/v1/{STOPPED}", ada).json()
        assert (stopped["state"], stopped["machine"]) == ("STOPPED", "machines/greeter")
        lines = running.call("GET", f"/v1/{STOPPED}/lines", ada).json()["lines"]
        assert [line["text"] for line in lines] == ["greets with hello"]
        assert running.call("GET", f"/v1/{DELETED}", ada).json()["state"] == "DELETED"
        assert running.call("GET", "/v1/machines/greeter", running.admin()).status_code == 200
        vote = {"direction": "LIKE"}
        voted = running.call("PUT", "/v1/machines/greeter/votes/me", ada, json=vote)
        assert voted.status_code == 200, voted.text
        review = {"stars": 4, "text": "As before."}
        written = running.call("PUT", "/v1/machines/greeter/reviews/me", ada, json=review)
        assert written.status_code == 200, "who has rented it before may review it"
        running.call("POST", f"/v1/{STOPPED}:start", ada, json={})
        assert greeting(running, ada, STOPPED) == f"hello {SECRET}"
        changed = [name for name, schema in STORES.items() if revisions_of(schema) != ["0001"]]
        for name in changed:
            [copy] = copies_of(former / f"{name}.sqlite3")
            assert revision(copy) == "0001", "it was copied before it was migrated"
        for name, schema in STORES.items():
            assert revision(former / f"{name}.sqlite3") == revisions_of(schema)[-1]
    finally:
        running.close()


def test_a_backup_was_made_before_and_brings_the_former_state_back(
    former: Path, tmp_path: Path
) -> None:
    before = {name: columns(former / f"{name}.sqlite3") for name in STORES}
    old = files(former)
    done = allocctl("migrate", environment={"ALLOCATOR_DATA_DIR": str(former)})
    assert done.returncode == 0, done.stderr.decode()
    assert b"from 0001 to revision 0002" in done.stdout
    [archive] = (former / "backups").iterdir()
    assert str(archive).encode() in done.stdout
    manifest = checked(archive)
    assert {about["revision"] for about in manifest["stores"].values()} == {"0001"}
    assert files(former) != old
    there = tmp_path / "there"
    restore(load_installation(environment={"ALLOCATOR_DATA_DIR": str(there)}), archive)
    for name in set(STORES) - {"bus", "broker", "notifications"}:
        restored = columns(there / f"{name}.sqlite3")
        for table, rows in before[name].items():
            # Columns, and members of documents, may have come since.
            then = list(rows[0]) if rows else []
            found = [{column: row[column] for column in then} for row in restored[table]]
            if table == "tallies":
                # Counted anew, of each node too.
                found = [row for row in found if not str(row["subject"]).startswith("nodes/")]
            if table == "allocations":
                for row, old in zip(found, rows, strict=True):
                    before_it = json.loads(str(old["document"]))
                    now = json.loads(str(row["document"]))
                    assert {**now, **before_it} == now
                    row["document"] = old["document"]
            assert found == rows, (name, table)
    people = columns(there / "users.sqlite3")["users"]
    assert {(row["verified"], row["email_verified"], row["phone_verified"]) for row in people} == {
        (1, 1, 0)
    }, "whoever was verified was so by mail"


def test_the_second_time_nothing_is_done(former: Path) -> None:
    settings = {"ALLOCATOR_DATA_DIR": str(former)}
    allocctl("migrate", environment=settings)
    rows = {name: (former / f"{name}.sqlite3").read_bytes() for name in STORES}
    again = allocctl("migrate", environment=settings)
    assert again.returncode == 0
    assert b"backup" not in again.stdout
    assert {name: (former / f"{name}.sqlite3").read_bytes() for name in STORES} == rows
    assert len(list((former / "backups").iterdir())) == 1


def test_without_a_backup_nothing_is_migrated(former: Path, tmp_path: Path) -> None:
    no_folder = tmp_path / "file"
    no_folder.write_text("")
    done = allocctl(
        "migrate", "--backup-to", no_folder, environment={"ALLOCATOR_DATA_DIR": str(former)}
    )
    assert done.returncode == 1
    assert b"Nothing was migrated" in done.stderr
    assert files(former) == list(STORES)


def test_a_backup_can_be_declined(former: Path) -> None:
    done = allocctl("migrate", "--no-backup", environment={"ALLOCATOR_DATA_DIR": str(former)})
    assert done.returncode == 0
    assert not (former / "backups").exists()
    assert files(former) != list(STORES)


def test_a_newer_store_is_left_alone(former: Path) -> None:
    with closing(sqlite3.connect(former / "users.sqlite3")) as rows, rows:
        rows.execute("UPDATE alembic_version SET version_num = '0999'")
    installation = load_installation(environment={"ALLOCATOR_DATA_DIR": str(former)})
    with pytest.raises(Failure, match="0999"):
        migrate(installation, backups=None, wait=0)


def test_several_at_once_end_well(former: Path) -> None:
    settings = {"ALLOCATOR_DATA_DIR": str(former)}
    with ThreadPoolExecutor(3) as several:
        done = list(several.map(lambda _: allocctl("migrate", environment=settings), range(3)))
    assert [one.returncode for one in done] == [0, 0, 0], [one.stderr for one in done]
    assert len(list((former / "backups").iterdir())) == 1, "the first one alone had to"
    with closing(sqlite3.connect(former / "users.sqlite3")) as rows:
        assert rows.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_an_allocator_that_runs_is_not_migrated_under_its_feet(former: Path) -> None:
    from chassis.serving.data_folder import DataFolder

    with DataFolder(former):
        installation = load_installation(environment={"ALLOCATOR_DATA_DIR": str(former)})
        with pytest.raises(Failure, match="is held by process"):
            migrate(installation, backups=None, wait=0.3)
    assert files(former) == list(STORES)
    assert json.loads((former / "runtime.json").read_text())["runtime"] == "process"


def test_the_recipe_is_of_the_former_version(former: Path) -> None:
    assert files(former) == list(STORES)
