"""Migrations."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from chassis.bus.schema.tables import METADATA as BUS_METADATA
from chassis.clock import ManualClock
from chassis.sql import (
    Database,
    SchemaTooNew,
    SchemaTooOld,
    assert_schema_matches,
    open_database,
)
from chassis.sql.copies import copies_of, copy_before
from tests.unit.chassis_sql.shelf_schema.tables import METADATA

SCHEMA = "tests.unit.chassis_sql.shelf_schema"
PATIENCE = 60.0

OPENS = """
import asyncio, sys
from chassis.clock import SystemClock
from chassis.sql import open_database

async def main():
    print("ready", flush=True)
    sys.stdin.readline()
    database = await open_database(sys.argv[1], "tests.unit.chassis_sql.shelf_schema", SystemClock())
    await database.close()
    print("alembic" in sys.modules, "sqlalchemy.dialects.mysql" in sys.modules)

asyncio.run(main())
"""


def write_package(folder: Path, name: str, head: str, body: str) -> None:
    package = folder / name
    (package / "versions").mkdir(parents=True)
    (package / "__init__.py").write_text(f'HEAD = "{head}"\n')
    (package / "versions" / "0001_x.py").write_text(
        f"from alembic import op\nrevision = '0001'\ndown_revision = None\ndef upgrade():\n{body}"
    )


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def test_the_migrations_make_the_tables_of_the_metadata() -> None:
    assert_schema_matches(METADATA, SCHEMA)
    assert_schema_matches(BUS_METADATA, "chassis.bus.schema")


def test_a_table_that_no_migration_makes_is_found() -> None:
    metadata = sa.MetaData()
    for table in METADATA.tables.values():
        table.to_metadata(metadata)
    sa.Table("forgotten", metadata, sa.Column("name", sa.String(10), primary_key=True))
    metadata.tables["books"].append_column(sa.Column("colour", sa.String(10)))
    with pytest.raises(AssertionError, match=r"(?s)forgotten.*colour"):
        assert_schema_matches(metadata, SCHEMA)


def test_a_head_that_is_not_the_newest_revision_is_found(packages: Path) -> None:
    write_package(packages, "headless_schema", "0009", "    pass\n")
    with pytest.raises(AssertionError, match="0009"):
        assert_schema_matches(sa.MetaData(), "headless_schema")


def test_a_schema_must_say_its_head(packages: Path) -> None:
    (packages / "silent_schema.py").write_text("")
    with pytest.raises(TypeError, match="HEAD"):
        assert_schema_matches(sa.MetaData(), "silent_schema")


async def start(path: Path) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", OPENS, f"sqlite:///{path}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    assert await process.stdout.readline() == b"ready\n"
    return process


async def test_several_processes_may_start_at_once(path: Path) -> None:
    async with asyncio.timeout(PATIENCE):
        processes = [await start(path) for _ in range(3)]
        ended = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0, 0, 0], ended
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0002",)]
    connection.close()


async def test_at_head_nothing_is_imported_that_is_not_needed(books: Database, path: Path) -> None:
    del books
    async with asyncio.timeout(PATIENCE):
        process = await start(path)
        out, err = await process.communicate(b"go\n")
    assert process.returncode == 0, err
    assert out == b"False False\n"


async def test_an_older_database_is_migrated_with_its_rows(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript("""
        CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
        INSERT INTO alembic_version VALUES ('0001');
        CREATE TABLE books (name VARCHAR(80) NOT NULL PRIMARY KEY, version BIGINT NOT NULL,
            time BIGINT NOT NULL, document TEXT, shelf VARCHAR(80));
        INSERT INTO books VALUES ('kept', 1, 0, NULL, NULL);
    """)
    connection.close()
    url = f"sqlite:///{path}"
    with pytest.raises(SchemaTooOld, match="allocctl migrate"):
        await open_database(url, SCHEMA, ManualClock(), migrate=False)
    books = await open_database(url, SCHEMA, ManualClock())
    rows = books.read_here(lambda conn: conn.execute(sa.text("SELECT name FROM books")).all())
    assert [tuple(row) for row in rows] == [("kept",)]
    await books.close()


def an_older_database(path: Path, book: str = "kept") -> None:
    """A file at revision 0001, with one row."""
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(f"""
        CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
        INSERT INTO alembic_version VALUES ('0001');
        CREATE TABLE books (name VARCHAR(80) NOT NULL PRIMARY KEY, version BIGINT NOT NULL,
            time BIGINT NOT NULL, document TEXT, shelf VARCHAR(80));
        INSERT INTO books VALUES ('{book}', 1, 0, NULL, NULL);
    """)
    connection.close()


def rows(path: Path, statement: str) -> list[object]:
    """What a file has in the first column."""
    connection = sqlite3.connect(path)
    try:
        return [row[0] for row in connection.execute(statement)]
    finally:
        connection.close()


async def test_before_a_file_is_migrated_it_is_copied(path: Path) -> None:
    an_older_database(path)
    await (await open_database(f"sqlite:///{path}", SCHEMA, ManualClock())).close()
    [copy] = copies_of(path)
    assert copy.name == "books.sqlite3.before-0002"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert rows(copy, "SELECT name FROM books") == ["kept"]
    assert rows(copy, "SELECT version_num FROM alembic_version") == ["0001"]
    # At its place, it is the database as it was.
    copy.replace(path)
    database = await open_database(f"sqlite:///{path}", SCHEMA, ManualClock())
    found = database.read_here(lambda conn: conn.execute(sa.text("SELECT name FROM books")).all())
    assert [tuple(row) for row in found] == [("kept",)]
    await database.close()


async def test_a_new_file_and_one_at_the_newest_schema_are_not_copied(path: Path) -> None:
    for _ in range(2):
        await (await open_database(f"sqlite:///{path}", SCHEMA, ManualClock())).close()
        assert copies_of(path) == []


async def test_what_is_in_the_log_of_a_file_is_copied_too(path: Path) -> None:
    an_older_database(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("INSERT INTO books VALUES ('in the log', 1, 0, NULL, NULL)")
    await (await open_database(f"sqlite:///{path}", SCHEMA, ManualClock())).close()
    other.close()
    assert set(rows(copies_of(path)[0], "SELECT name FROM books")) == {"kept", "in the log"}


def test_the_newest_two_copies_are_kept(path: Path) -> None:
    for n in range(5):
        an_older_database(path, f"book {n}")
        copy = copy_before(path, f"000{n}")
        os.utime(copy, (n, n))
    assert [copy.name[-4:] for copy in copies_of(path)] == ["0003", "0004"]
    again = copy_before(path, "0003")
    assert rows(again, "SELECT name FROM books") == ["book 4"]
    assert {copy.name[-4:] for copy in copies_of(path)} == {"0003", "0004"}


async def test_a_file_that_cannot_be_copied_is_not_migrated(
    path: Path,
) -> None:
    an_older_database(path)
    # A folder of that name cannot be replaced by a file.
    path.with_name("books.sqlite3.before-0002").mkdir()
    with pytest.raises(OSError, match="before-0002"):
        await open_database(f"sqlite:///{path}", SCHEMA, ManualClock())
    assert rows(path, "SELECT version_num FROM alembic_version") == ["0001"]
    assert not list(path.parent.glob("*.unfinished"))


async def test_a_migration_that_leaves_references_to_nothing_is_undone(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript("""
        CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
        INSERT INTO alembic_version VALUES ('0001');
        CREATE TABLE books (name VARCHAR(80) NOT NULL PRIMARY KEY, version BIGINT NOT NULL,
            time BIGINT NOT NULL, document TEXT, shelf VARCHAR(80));
        INSERT INTO books VALUES ('lost', 1, 0, NULL, 'no such shelf');
    """)
    with pytest.raises(AssertionError, match="books refer to nothing"):
        await open_database(f"sqlite:///{path}", SCHEMA, ManualClock())
    tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'shelves'").fetchall()
    assert tables == []
    assert connection.execute("SELECT * FROM alembic_version").fetchall() == [("0001",)]
    connection.close()


async def test_a_migration_that_fails_changes_nothing(packages: Path, path: Path) -> None:
    body = "    op.execute('CREATE TABLE half (a)')\n    op.execute('no SQL at all')\n"
    write_package(packages, "failing_schema", "0001", body)
    with pytest.raises(sa.exc.OperationalError, match="syntax"):
        await open_database(f"sqlite:///{path}", "failing_schema", ManualClock())
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    connection.close()


async def test_a_newer_database_is_refused(books: Database, path: Path) -> None:
    await books.write(
        lambda conn: conn.execute(sa.text("UPDATE alembic_version SET version_num = '0815'"))
    )
    with pytest.raises(SchemaTooNew, match=r"0815.*0002 at most"):
        await open_database(f"sqlite:///{path}", SCHEMA, ManualClock())


async def test_a_database_in_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="names no file"):
        await open_database("sqlite://", SCHEMA, ManualClock())
