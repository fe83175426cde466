"""Migrations on every SQL engine: from nothing, from what was released, together, interrupted."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from chassis.clock import ManualClock
from chassis.faults import Unavailable
from chassis.sql import (
    SchemaTooNew,
    SchemaTooOld,
    assert_schema_matches,
    open_database,
    schema_revision,
    server_migrations,
)
from chassis.sql.engines import path_of
from chassis.sql.leases import SqlLeases
from chassis.sql.servers import server_engine
from tests.servers import drop_mysql, mysql_url, own_name
from tests.sql_places import SQL_ENGINES

PATIENCE = 60.0
SHELF = "tests.unit.chassis_sql.shelf_schema"
SCHEMAS = ["user_svc.schema", "notifier.schema", "allocation_svc.schema"]
COUNTED_ANEW = {"tallies"}
"""Tables that a migration makes from others: what is in them without those does not stay."""

OPENS = """
import asyncio, sys
from chassis.clock import SystemClock
from chassis.sql import open_database

async def main():
    print("ready", flush=True)
    sys.stdin.readline()
    database = await open_database(sys.argv[1], sys.argv[2], SystemClock())
    await database.close()

asyncio.run(main())
"""

# Fails half-way as long as the file is there that it is told of.
TWO_TABLES = """
from pathlib import Path
import sqlalchemy as sa
from alembic import op
revision = "0001"
down_revision = None
def upgrade():
    op.create_table("one", sa.Column("name", sa.String(10), primary_key=True), sa.Column("n", sa.Integer()))
    op.create_index("one_by_n", "one", ["n"])
    two = sa.Table("two", sa.MetaData(), sa.Column("name", sa.String(10), primary_key=True), sa.Column("n", sa.Integer()))
    sa.Index("two_by_n", two.c.n)
    two.create(op.get_bind(), checkfirst=False)
    if Path({stone!r}).exists():
        raise InterruptedError
    op.add_column("one", sa.Column("m", sa.Integer()))
    op.create_table("three", sa.Column("name", sa.String(10), primary_key=True))
"""


@pytest.fixture(params=SQL_ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/old.sqlite3"
        return
    made = mysql_url()
    yield made
    drop_mysql(made)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for packages of migrations."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


def new_package(packages: Path, version: str) -> str:
    """A package with one migration, of a name that nothing has imported yet."""
    name = own_name("schema")
    (packages / name / "versions").mkdir(parents=True)
    (packages / name / "__init__.py").write_text('HEAD = "0001"\n')
    (packages / name / "versions" / "0001_first.py").write_text(version)
    return name


def first_release(packages: Path, schema: str) -> str:
    """The package of a schema as it was when it had its first revision only."""
    known = Path(str(importlib.import_module(schema).__file__)).parent / "versions"
    [first] = known.glob("0001_*.py")
    return new_package(packages, first.read_text())


def a_row(table: sa.Table) -> dict[str, object]:
    """A row with something in every column."""
    values: dict[type, object] = {int: 7, str: "x🦊", bytes: b"\0x\xff", bool: True}
    row: dict[str, object] = {}
    for column in table.columns:
        if type(column.type).__name__ == "JsonText":
            row[column.name] = {"kept": "🦊"}
        elif type(column.type).__name__ == "Instant":
            row[column.name] = ManualClock().now()
        else:
            row[column.name] = values[column.type.python_type]
    return row


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_the_first_release_is_migrated_with_all_that_it_holds(
    url: str, packages: Path, schema: str
) -> None:
    tables = importlib.import_module(f"{schema}.tables")
    head = importlib.import_module(schema).HEAD
    old_schema = first_release(packages, schema)
    old = await open_database(url, old_schema, ManualClock())
    # As they were then: since then tables and columns have come.
    first = sa.MetaData()
    await old.read(first.reflect)
    held = [t for t in first.sorted_tables if t.name not in {"alembic_version", *COUNTED_ANEW}]
    for table in held:
        await old.write(lambda conn, t=table: conn.execute(sa.insert(t), a_row(t)))
    before = {t.name: await old.read(lambda c, t=t: c.execute(sa.select(t)).all()) for t in held}
    await old.close()
    assert schema_revision(url, schema) == ("0001", head)

    with pytest.raises(SchemaTooOld, match="allocctl migrate"):
        await open_database(url, schema, ManualClock(), migrate=False)
    new = await open_database(url, schema, ManualClock())
    after = {t.name: await new.read(lambda c, t=t: c.execute(sa.select(t)).all()) for t in held}
    assert after == before
    leases = SqlLeases(new, tables.LEASES)
    assert await leases.claim("x", None, "here", "here:1") is not None
    await new.close()
    assert schema_revision(url, schema) == (head, head)

    with pytest.raises(SchemaTooNew, match="0001 at most"):
        await open_database(url, old_schema, ManualClock())


@pytest.mark.parametrize("schema", [*SCHEMAS, SHELF])
async def test_the_migrations_make_the_tables_of_the_metadata(url: str, schema: str) -> None:
    metadata = importlib.import_module(f"{schema}.tables").METADATA
    place = "" if path_of(url) else url
    await asyncio.to_thread(assert_schema_matches, metadata, schema, place)


async def test_several_processes_may_start_at_once(url: str) -> None:
    processes = []
    async with asyncio.timeout(PATIENCE):
        for _ in range(4):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-W", "error", "-c", OPENS, url, "allocation_svc.schema"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            processes.append(process)
        for process in processes:
            assert process.stdout
            assert await process.stdout.readline() == b"ready\n"
        ended = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert [process.returncode for process in processes] == [0] * 4, ended
    current, head = schema_revision(url, "allocation_svc.schema")
    assert current == head


async def test_a_database_without_a_schema_has_no_revision(url: str) -> None:
    head = importlib.import_module(SHELF).HEAD
    assert schema_revision(url, SHELF) == (None, head)
    path = path_of(url)
    assert path is None or not path.exists()


async def test_a_migration_that_was_interrupted_is_done_again(
    url: str, packages: Path, tmp_path: Path
) -> None:
    stone = tmp_path / "stumble here"
    stone.touch()
    halting = new_package(packages, TWO_TABLES.format(stone=str(stone)))
    for _ in range(2):
        with pytest.raises(InterruptedError):
            await open_database(url, halting, ManualClock())
        assert schema_revision(url, halting) == (None, "0001")
    stone.unlink()
    database = await open_database(url, halting, ManualClock())

    def looked(conn: sa.Connection) -> SimpleNamespace:
        found = sa.inspect(conn)
        return SimpleNamespace(
            tables=set(found.get_table_names()),
            columns=[column["name"] for column in found.get_columns("one")],
            indexes=[found.get_indexes(name)[0]["name"] for name in ("one", "two")],
        )

    there = await database.read(looked)
    await database.close()
    assert there.tables == {"alembic_version", "one", "two", "three"}
    assert there.columns == ["name", "n", "m"]
    assert there.indexes == ["one_by_n", "two_by_n"]
    assert schema_revision(url, halting) == ("0001", "0001")


@pytest.mark.real_mysql
async def test_a_table_of_somebody_else_is_not_taken_for_its_own(packages: Path) -> None:
    url = mysql_url()
    meeting = new_package(packages, TWO_TABLES.format(stone="/nowhere"))
    try:
        engine = server_engine(url)
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE one (something INT)"))
        with pytest.raises(sa.exc.DBAPIError, match="already exists"):
            await open_database(url, meeting, ManualClock())
    finally:
        drop_mysql(url)


@pytest.mark.real_mysql
async def test_who_waits_too_long_for_another_migration_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = mysql_url()
    monkeypatch.setattr(server_migrations, "PATIENCE", 1)
    try:
        with server_migrations.migrating_alone(server_engine(url), SHELF):
            with pytest.raises(Unavailable, match="Another process"):
                await open_database(url, SHELF, ManualClock())
            # Its neighbours on the same server do not wait.
            await (await open_database(url, "notifier.schema", ManualClock())).close()
        await (
            await open_database(f"{url}?read_timeout=5", "notifier.schema", ManualClock())
        ).close()
    finally:
        drop_mysql(url)


@pytest.mark.real_mysql
async def test_text_is_compared_by_code_points_whatever_the_database_says() -> None:
    url = mysql_url()
    try:
        await (await open_database(url, SHELF, ManualClock())).close()
        with server_engine(url).connect() as connection:
            collations = connection.execute(
                sa.text(
                    "SELECT DISTINCT collation_name FROM information_schema.columns "
                    "WHERE table_schema = DATABASE() AND collation_name IS NOT NULL"
                )
            ).scalars()
            assert set(collations) <= {"utf8mb4_nopad_bin", "utf8mb4_0900_bin"}
    finally:
        drop_mysql(url)
