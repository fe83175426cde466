"""Reads by key that the SQLite driver runs itself."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from chassis.faults import Unavailable
from chassis.sql import Database, Prepared
from chassis.sql.engines import sqlite_engine
from chassis.sql.transactions import SqliteTransactions
from tests.unit.chassis_sql.shelf_schema.tables import BOOKS

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
INSERT = sa.insert(BOOKS)


def book(name: str, version: int = 1) -> dict[str, object]:
    return {"name": name, "version": version, "time": NOW, "document": {"a": 1}, "shelf": None}


def by_name() -> Prepared:
    return Prepared(sa.select(BOOKS).where(BOOKS.c.name == sa.bindparam("of")))


async def test_a_lookup_finds_what_a_statement_finds(books: Database) -> None:
    await books.write(lambda conn: conn.execute(INSERT, book("a")))
    lookup = by_name()

    found = await books.first(lookup, {"of": "a"})

    assert found == await books.read(lambda conn: lookup.first(conn, {"of": "a"}))
    assert found == ("a", 1, NOW, {"a": 1}, None)
    assert await books.first(lookup, {"of": "b"}) is None


async def test_parameters_are_converted_by_type_and_plain_values_stay(books: Database) -> None:
    await books.write(lambda conn: conn.execute(INSERT, [book("a", 1), book("b", 2)]))
    newest = Prepared(
        sa.select(BOOKS.c.name)
        .where(BOOKS.c.time > sa.bindparam("after"), BOOKS.c.version < 10)
        .order_by(BOOKS.c.version.desc())
        .limit(1)
    )
    assert await books.first(newest, {"after": NOW - timedelta(milliseconds=1)}) == ("b",)
    assert await books.first(newest, {"after": NOW}) is None


async def test_a_lookup_sees_every_change_at_once(books: Database) -> None:
    lookup = Prepared(sa.select(BOOKS.c.version).where(BOOKS.c.name == sa.bindparam("of")))
    await books.write(lambda conn: conn.execute(INSERT, book("a")))
    for version in range(2, 20):
        change = sa.update(BOOKS).values(version=version)
        await books.write(partial(sa.Connection.execute, statement=change))
        assert await books.first(lookup, {"of": "a"}) == (version,)


async def test_a_lookup_holds_no_snapshot(books: Database, path: Path) -> None:
    await books.write(lambda conn: conn.execute(INSERT, [book("a"), book("b")]))
    everything = Prepared(sa.select(BOOKS.c.name).where(BOOKS.c.version == sa.bindparam("of")))
    assert await books.first(everything, {"of": 1}) == ("a",)

    other = sqlite3.connect(path, isolation_level=None)
    # Only without readers can the whole log be carried over.
    busy, logged, carried = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    other.close()
    assert (busy, logged, carried) == (0, 0, 0)


async def test_a_missing_parameter_and_a_list_are_mistakes(books: Database) -> None:
    with pytest.raises(KeyError):
        await books.first(by_name(), {})
    with pytest.raises(TypeError, match="lists"):
        await books.first(Prepared(sa.select(BOOKS).where(BOOKS.c.name.in_(["a", "b"]))), {})


async def test_what_a_prepared_statement_lacks_is_a_mistake(books: Database) -> None:
    some = Prepared(sa.select(BOOKS.c.name).where(BOOKS.c.name == sa.bindparam("of")))
    with pytest.raises(KeyError):
        await books.read(some.rows)
    listed = Prepared(sa.delete(BOOKS).where(BOOKS.c.name.in_(["a", "b"])))
    with pytest.raises(TypeError, match="lists"):
        await books.write(lambda conn: listed.change(conn, {}))


async def test_a_lookup_belongs_to_the_loop_and_ends_with_the_database(books: Database) -> None:
    lookup = by_name()
    await books.first(lookup, {"of": "a"})
    with pytest.raises(RuntimeError, match="event loop"):
        await asyncio.to_thread(lambda: asyncio.run(books.first(lookup, {"of": "a"})))
    await books.close()
    with pytest.raises(Unavailable) as stopping:
        await books.first(lookup, {"of": "a"})
    assert stopping.value.reason == "SERVICE_STOPPING"


async def test_what_the_driver_cannot_run_stays_its_error(books: Database) -> None:
    missing = Prepared(sa.select(sa.column("x")).select_from(sa.table("nowhere")))
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        await books.first(missing, {})


async def test_a_lookup_runs_on_a_server_too(path: Path, books: Database) -> None:
    await books.write(lambda conn: conn.execute(INSERT, book("a")))
    # A file stands for the server here: what matters is that there is nothing to read in the loop.
    transactions = SqliteTransactions(sqlite_engine(path), path, "BEGIN", commits=False)
    server = Database(
        "x", writing=transactions, reading=transactions, here=None, readers=1, writers=1
    )
    assert await server.first(by_name(), {"of": "a"}) == ("a", 1, NOW, {"a": 1}, None)
    assert await server.first(by_name(), {"of": "b"}) is None
    await server.close()
