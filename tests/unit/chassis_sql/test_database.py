"""Units of work on SQLite."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError
from structlog.testing import capture_logs

from chassis.clock import ManualClock
from chassis.faults import Unavailable
from chassis.sql import Database, open_database
from chassis.sql.engines import sqlite_engine
from chassis.sql.transactions import SqliteTransactions
from tests.unit.chassis_sql.shelf_schema.tables import BOOKS

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
PATIENCE = 10.0

INSERT = sa.insert(BOOKS)
NAMES = sa.select(BOOKS.c.name).order_by(BOOKS.c.name)
BOOK = sa.select(BOOKS).where(BOOKS.c.name == sa.bindparam("of"))
RAISE = (
    sa.update(BOOKS)
    .where(BOOKS.c.name == sa.bindparam("of"), BOOKS.c.version == sa.bindparam("was"))
    .values(version=sa.bindparam("was") + 1)
)


def book(name: str, **values: object) -> dict[str, object]:
    return {"name": name, "version": 1, "time": NOW, "document": None, "shelf": None, **values}


def names(conn: sa.Connection) -> list[str]:
    return list(conn.execute(NAMES).scalars())


def almost_full(conn: sa.Connection) -> None:
    """Leaves no more than two pages."""
    pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
    conn.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")


async def test_what_is_written_is_read_from_everywhere(books: Database) -> None:
    document = {"b": [1, 2.5, None, True], "a": "é😀"}
    await books.write(lambda conn: conn.execute(INSERT, book("a", document=document)))

    def row(conn: sa.Connection) -> object:
        return conn.execute(BOOK, {"of": "a"}).one()

    expected = ("a", 1, NOW, document, None)
    assert books.is_sqlite
    assert await books.read(row) == expected
    assert books.read_here(row) == expected
    assert await books.get(row) == expected


async def test_work_that_raises_changes_nothing(books: Database) -> None:
    def work(conn: sa.Connection) -> None:
        conn.execute(INSERT, book("a"))
        raise LookupError

    with pytest.raises(LookupError):
        await books.write(work)
    assert await books.read(names) == []


async def test_a_part_of_the_work_can_be_undone(books: Database) -> None:
    def work(conn: sa.Connection) -> None:
        conn.execute(INSERT, book("a"))
        with pytest.raises(IntegrityError), conn.begin_nested():
            conn.execute(INSERT, book("b"))
            conn.execute(INSERT, book("a"))
        conn.execute(INSERT, book("c"))

    await books.write(work)
    assert await books.read(names) == ["a", "c"]


async def test_a_broken_rule_is_left_to_the_adapter(books: Database) -> None:
    await books.write(lambda conn: conn.execute(INSERT, book("a")))
    with pytest.raises(IntegrityError):
        await books.write(lambda conn: conn.execute(INSERT, book("a")))
    with pytest.raises(IntegrityError):
        await books.write(lambda conn: conn.execute(INSERT, book("b", shelf="nowhere")))
    assert books.read_here(names) == ["a"]


async def test_reading_cannot_write(books: Database) -> None:
    for run in (books.read, books.get):
        with pytest.raises(OperationalError, match="readonly"):
            await run(lambda conn: conn.execute(INSERT, book("a")))
    assert books.read_here(names) == []


async def test_work_that_reads_sees_one_snapshot(books: Database) -> None:
    await books.write(lambda conn: conn.execute(INSERT, book("a")))
    began, written = threading.Event(), threading.Event()

    def work(conn: sa.Connection) -> tuple[list[str], list[str]]:
        before = names(conn)
        began.set()
        assert written.wait(PATIENCE)
        return before, names(conn)

    reading = asyncio.create_task(books.read(work))
    assert await asyncio.to_thread(began.wait, PATIENCE)
    await books.write(lambda conn: conn.execute(INSERT, book("b")))
    written.set()
    assert await reading == (["a"], ["a"])
    assert await books.read(names) == ["a", "b"]


async def test_of_many_writers_on_one_version_one_wins(books: Database) -> None:
    await books.write(lambda conn: conn.execute(INSERT, book("a")))
    changed = await asyncio.gather(
        *(
            books.write(lambda conn: conn.execute(RAISE, {"of": "a", "was": 1}).rowcount)
            for _ in range(30)
        )
    )
    assert sorted(changed) == [0] * 29 + [1]


async def test_two_processes_worth_of_databases_take_turns(books: Database, path: Path) -> None:
    other = await open_database(
        f"sqlite:///{path}", "tests.unit.chassis_sql.shelf_schema", ManualClock()
    )

    def add(name: str) -> Callable[[sa.Connection], object]:
        return lambda conn: (names(conn), conn.execute(INSERT, book(name)))

    await asyncio.gather(
        *(
            db.write(add(f"{place}-{n}"))
            for n in range(20)
            for place, db in enumerate((books, other))
        )
    )
    assert len(other.read_here(names)) == 40
    await other.close()


async def test_a_transaction_outlives_its_caller(books: Database) -> None:
    began, go_on = threading.Event(), threading.Event()

    def work(conn: sa.Connection) -> None:
        conn.execute(INSERT, book("a"))
        began.set()
        assert go_on.wait(PATIENCE)
        conn.execute(INSERT, book("b"))

    writing = asyncio.create_task(books.write(work))
    waiting = asyncio.create_task(books.write(lambda conn: conn.execute(INSERT, book("c"))))
    assert await asyncio.to_thread(began.wait, PATIENCE)
    writing.cancel()
    waiting.cancel()
    for task in (writing, waiting):
        with pytest.raises(asyncio.CancelledError):
            await task
    go_on.set()
    await books.write(lambda conn: conn.execute(INSERT, book("d")))
    assert await books.read(names) == ["a", "b", "d"]


async def test_a_failure_that_nobody_waits_for_is_logged(books: Database) -> None:
    began, go_on = threading.Event(), threading.Event()

    def work(_conn: sa.Connection) -> None:
        began.set()
        assert go_on.wait(PATIENCE)
        raise LookupError

    with capture_logs() as logs:
        writing = asyncio.create_task(books.write(work))
        assert await asyncio.to_thread(began.wait, PATIENCE)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        go_on.set()
        await books.write(names)
    assert [entry["error"] for entry in logs] == ["LookupError()"]


async def test_a_full_disk_changes_nothing_and_says_what_to_do(books: Database) -> None:
    await books.write(almost_full)

    def work(conn: sa.Connection) -> None:
        for n in range(100):
            conn.execute(INSERT, book(f"b{n:03}", document="x" * 1000))

    with pytest.raises(Unavailable) as full:
        await books.write(work)
    assert full.value.reason == "DISK_FULL"
    assert "free space" in full.value.message
    assert books.read_here(names) == []
    await books.write(lambda conn: conn.exec_driver_sql("PRAGMA max_page_count=100000"))
    await books.write(work)
    assert len(books.read_here(names)) == 100


async def test_work_cannot_hide_that_its_transaction_was_undone(books: Database) -> None:
    await books.write(almost_full)

    def work(conn: sa.Connection) -> None:
        conn.execute(INSERT, book("a"))
        with pytest.raises(OperationalError):
            conn.execute(INSERT, book("b", document="x" * 100_000))
        # Some errors undo the whole transaction; this stands for them.
        conn.connection.rollback()

    with pytest.raises(AssertionError, match="undid its transaction"):
        await books.write(work)
    assert books.read_here(names) == []


async def test_a_lock_that_is_held_too_long_is_overload(books: Database, path: Path) -> None:
    await books.write(lambda conn: conn.exec_driver_sql("PRAGMA busy_timeout=20"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable) as busy:
        await books.write(names)
    assert busy.value.reason == "OVERLOADED"
    assert busy.value.retry_after
    assert await books.read(names) == books.read_here(names) == []
    other.close()
    assert await books.write(names) == []


async def test_too_much_waiting_work_is_overload(books: Database) -> None:
    go_on = threading.Event()
    blocked = asyncio.create_task(books.write(lambda _conn: go_on.wait(PATIENCE)))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(books.write(names)) for _ in range(1999)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as overloaded:
        await books.write(names)
    assert overloaded.value.reason == "OVERLOADED"
    go_on.set()
    await asyncio.gather(blocked, *waiting)
    await books.write(names)


async def test_a_damaged_file_is_not_hidden(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, but long enough to look like one" * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        await open_database(
            f"sqlite:///{path}", "tests.unit.chassis_sql.shelf_schema", ManualClock()
        )


async def test_the_file_is_nobody_elses(books: Database, path: Path) -> None:
    await books.write(lambda conn: conn.execute(INSERT, book("a")))
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_reading_here_belongs_to_the_loop(books: Database) -> None:
    books.read_here(names)
    with pytest.raises(RuntimeError, match="thread"):
        await asyncio.to_thread(books.read_here, names)


async def test_on_a_server_short_reads_go_to_a_thread(books: Database, path: Path) -> None:
    # A file stands for the server here: what matters is that there is nothing to read in the loop.
    writing = SqliteTransactions(sqlite_engine(path), path, "BEGIN IMMEDIATE", commits=True)
    reading = SqliteTransactions(sqlite_engine(path), path, "BEGIN", commits=False)
    server = Database("x", writing=writing, reading=reading, here=None, readers=2, writers=2)
    await server.write(lambda conn: conn.execute(INSERT, book("a")))
    await server.read(lambda conn: conn.execute(INSERT, book("b")))
    assert await server.get(names) == ["a"]
    assert not server.is_sqlite
    with pytest.raises(TypeError, match=r"database\.get"):
        server.read_here(names)
    await server.close()


async def test_closing_waits_for_what_has_begun_and_refuses_the_rest(path: Path) -> None:
    books = await open_database(
        f"sqlite:///{path}", "tests.unit.chassis_sql.shelf_schema", ManualClock()
    )
    began, go_on = threading.Event(), threading.Event()

    def work(conn: sa.Connection) -> None:
        began.set()
        assert go_on.wait(PATIENCE)
        conn.execute(INSERT, book("a"))

    writing = asyncio.create_task(books.write(work))
    assert await asyncio.to_thread(began.wait, PATIENCE)
    closing = asyncio.create_task(books.close())
    await asyncio.sleep(0)
    for refused in (books.write(names), books.read(names), books.get(names)):
        with pytest.raises(Unavailable) as stopping:
            await refused
        assert stopping.value.reason == "SERVICE_STOPPING"
    go_on.set()
    await writing
    await closing
    await books.close()

    books = await open_database(
        f"sqlite:///{path}", "tests.unit.chassis_sql.shelf_schema", ManualClock()
    )
    assert books.read_here(names) == ["a"]
    await books.close()
    assert [file.name for file in path.parent.iterdir()] == ["books.sqlite3"]


async def test_an_instant_without_a_time_zone_is_refused(books: Database) -> None:
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(StatementError, match="no time zone"):
        await books.write(lambda conn: conn.execute(INSERT, book("a", time=naive)))
