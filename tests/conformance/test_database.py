"""Units of work and columns, as they are promised on every SQL engine."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from chassis.clock import ManualClock
from chassis.sql import (
    Database,
    Instant,
    JsonText,
    Prepared,
    RowNumber,
    open_database,
    upsert,
)
from chassis.sql.sweeping import PART, in_parts, sweep
from tests.sql_places import SQL_ENGINES, SqlPlace

SCHEMA = "tests.unit.chassis_sql.shelf_schema"
NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
PATIENCE = 20.0

METADATA = sa.MetaData()
THINGS = sa.Table(
    "things",
    METADATA,
    sa.Column("number", RowNumber, primary_key=True, autoincrement=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("count", sa.BigInteger(), nullable=False, default=0),
    sa.Column("is_new", sa.Boolean(), nullable=False, default=True),
    sa.Column("time", Instant()),
    sa.Column("document", JsonText()),
    sa.Column("content", sa.LargeBinary(2**24 - 1)),
    sa.UniqueConstraint("name", name="things_by_name"),
    sa.CheckConstraint("count >= 0", name="things_not_negative"),
)
PARTS = sa.Table(
    "parts",
    METADATA,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("thing", RowNumber, sa.ForeignKey("things.number"), nullable=False),
)

NEW = sa.insert(THINGS)
NAMES = sa.select(THINGS.c.name).order_by(THINGS.c.name)
ONE = sa.select(THINGS).where(THINGS.c.name == sa.bindparam("of"))
RAISE = (
    sa.update(THINGS)
    .where(THINGS.c.name == sa.bindparam("of"), THINGS.c.count == sa.bindparam("was"))
    .values(count=sa.bindparam("was") + 1)
)
BUMP = upsert(THINGS, {"name": "a", "count": 1}, ["name"], {"count": THINGS.c.count + 1})
# Longer than it takes to cancel it.
SLOW = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000) "
    "SELECT count(*), 'slow' FROM n",
    "mysql": "SELECT SLEEP(0.5), 'slow'",
}

Opening = Callable[[], Awaitable[Database]]


@pytest.fixture(params=SQL_ENGINES)
async def opening(request: pytest.FixtureRequest, sql_place: SqlPlace) -> AsyncIterator[Opening]:
    """Opens the same database each time that it is called, as one more process would."""
    url = sql_place(request.param, SCHEMA)
    opened: list[Database] = []

    async def open_() -> Database:
        opened.append(await open_database(url, SCHEMA, ManualClock()))
        return opened[-1]

    yield open_
    opened.append(await open_database(url, SCHEMA, ManualClock()))
    await opened[-1].write(METADATA.drop_all)
    for database in opened:
        await database.close()


@pytest.fixture
async def things(opening: Opening) -> Database:
    """A database with two empty tables."""
    database = await opening()
    await database.write(METADATA.create_all)
    return database


def names(conn: sa.Connection) -> list[str]:
    """Every name, in order."""
    return list(conn.execute(NAMES).scalars())


def new(**values: object) -> Callable[[sa.Connection], object]:
    """Work that stores a thing."""
    return lambda conn: conn.execute(NEW, values)


async def test_what_is_written_comes_back_as_it_was(things: Database) -> None:
    content = bytes(range(256)) * 3
    document = {"b": [1, 2.5, None, True, 2**53], "a": "é😀 \0 ' \" \\ % %s :x", "": {}}
    await things.write(
        new(name="a", count=2**62, is_new=False, time=NOW, document=document, content=content)
    )
    expected = (1, "a", 2**62, False, NOW, document, content)

    def row(conn: sa.Connection) -> tuple[object, ...]:
        return tuple(conn.execute(ONE, {"of": "a"}).one())

    found = [
        await things.read(row),
        await things.get(row),
        await things.first(Prepared(ONE), {"of": "a"}),
    ]
    assert [(type(one), *one[1:]) for one in found if one] == [(tuple, *expected[1:])] * 3
    assert await things.first(Prepared(ONE), {"of": "b"}) is None


async def test_prepared_statements_do_what_statements_do(things: Database) -> None:
    columns = ("name", "count", "is_new", "time", "document", "content")
    add, one = Prepared(sa.insert(THINGS), columns), Prepared(ONE)
    rise = Prepared(RAISE)
    document, content = {"a": "é😀 \0 % %s :x"}, bytes(range(256))
    rest = {"is_new": True, "time": NOW, "document": document, "content": content}

    def work(conn: sa.Connection) -> None:
        add.change_each(conn, [{"name": name, "count": 7, **rest} for name in ("a", "b", "c")])
        assert rise.change(conn, {"of": "b", "was": 7}) == 1
        assert rise.change(conn, {"of": "b", "was": 7}) == 0
        # What the same transaction has written is seen, by either way.
        assert [row[2] for row in one.rows(conn, {"of": "b"})] == [8]
        assert conn.execute(ONE, {"of": "b"}).one().count == 8
        assert one.first(conn, {"of": "d"}) is None

    await things.write(work)
    found = await things.read(lambda conn: one.first(conn, {"of": "c"}))
    assert found is not None
    assert found[1:] == ("c", 7, True, NOW, document, content)

    def fails(conn: sa.Connection) -> None:
        rise.change(conn, {"of": "c", "was": 7})
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await things.write(fails)
    assert await things.read(lambda conn: one.first(conn, {"of": "c"})) == found


async def test_work_knows_what_its_caller_does(things: Database) -> None:
    asked: ContextVar[str] = ContextVar("asked", default="nobody")
    asked.set("ada")
    assert await things.write(lambda _: asked.get()) == "ada"
    assert await things.read(lambda _: asked.get()) == "ada"
    assert await things.get(lambda _: asked.get()) == "ada"


@pytest.mark.parametrize(
    "text",
    [
        "🦊👩‍👩‍👧‍👦",
        "日本語",
        "ﬀ",
        "a\0b",
        " spaces ",
        "",
        "'; DROP TABLE things; --",
        "\\",
        "%s %(x)s",
        "\U0010ffff",
    ],
)
async def test_text_comes_back_and_is_found(things: Database, text: str) -> None:
    await things.write(new(name=text, document=text))
    found = await things.read(lambda conn: conn.execute(ONE, {"of": text}).one())
    assert (found.name, found.document) == (text, text)


async def test_texts_differ_and_sort_by_their_code_points(things: Database) -> None:
    # Composed and not, half and full width, with and without space at the end, dotless, sharp s.
    texts = [
        "a",
        "A",
        "a ",
        "a  ",
        "á",
        "a\u0301",
        "ａ",
        "ß",
        "ss",
        "SS",
        "i",
        "İ",
        "ı",
        "I",
        "",
        " ",
    ]
    texts += ["🦊", "🦋", "\uffff", "z", "Z", "_", "%", "a\t"]
    for text in texts:
        await things.write(new(name=text))
    assert await things.read(names) == sorted(texts)
    for text in texts:
        found = await things.read(lambda c, of=text: c.execute(ONE, {"of": of}).scalars().all())
        assert len(found) == 1


async def test_a_part_of_a_text_is_found_by_its_code_points(things: Database) -> None:
    for text in ("Ada%", "ada_", "ádá🦊", "ad"):
        await things.write(new(name=text))

    async def with_part(part: str) -> list[str]:
        statement = NAMES.where(sa.func.instr(THINGS.c.name, part) > 0)
        return await things.read(lambda conn: list(conn.execute(statement).scalars()))

    assert await with_part("ada") == ["ada_"]
    assert await with_part("%") == ["Ada%"]
    assert await with_part("🦊") == ["ádá🦊"]
    assert await with_part("a") == ["Ada%", "ad", "ada_"]


@pytest.mark.parametrize(
    "time",
    [
        datetime.min.replace(tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
        datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
        # The hour that is there twice where clocks change.
        datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=2))),
        datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=1))),
        datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    ],
)
async def test_an_instant_is_the_same_wherever_the_server_is(
    things: Database, time: datetime
) -> None:
    await things.write(new(name="a", time=time))
    [found] = await things.read(lambda conn: conn.execute(sa.select(THINGS.c.time)).scalars().all())
    assert found == time
    assert found.utcoffset() == timedelta(0)


async def test_large_values_come_back_whole(things: Database) -> None:
    content, document = os.urandom(3 << 20), ["🦊" * 1000] * 500
    await things.write(new(name="a", content=content, document=document))
    [row] = await things.read(lambda conn: conn.execute(ONE, {"of": "a"}).all())
    assert row.content == content
    assert row.document == document


async def test_many_rows_are_stored_in_their_order(things: Database) -> None:
    rows = [{"name": f"{n}", "count": n} for n in range(1000)]
    await things.write(lambda conn: conn.execute(NEW, rows))
    in_order = sa.select(THINGS.c.name).order_by(THINGS.c.number)
    found = await things.read(lambda conn: list(conn.execute(in_order).scalars()))
    assert found == [row["name"] for row in rows]


async def test_a_broken_rule_is_an_integrity_error_and_undoes_the_work(things: Database) -> None:
    await things.write(new(name="a"))
    number = await things.read(lambda conn: conn.execute(sa.select(THINGS.c.number)).scalar())
    part = sa.insert(PARTS)
    await things.write(lambda conn: conn.execute(part, {"name": "p", "thing": number}))
    broken: list[Callable[[sa.Connection], object]] = [
        new(name="a"),
        new(name="b", number=number),
        new(name="b", count=-1),
        new(name=None),
        lambda conn: conn.execute(part, {"name": "q", "thing": 999}),
        lambda conn: conn.execute(part, {"name": "p", "thing": number}),
        lambda conn: conn.execute(sa.delete(THINGS)),
        lambda conn: conn.execute(sa.text("INSERT INTO parts (name) VALUES ('r')")),
        lambda conn: conn.execute(sa.update(THINGS).values(count=-1)),
    ]
    for work in broken:

        def with_another(
            conn: sa.Connection, work: Callable[[sa.Connection], object] = work
        ) -> None:
            conn.execute(NEW, {"name": "another"})
            work(conn)

        with pytest.raises(IntegrityError):
            await things.write(with_another)
    assert await things.read(names) == ["a"]


async def test_work_goes_on_after_a_statement_that_broke_a_rule(things: Database) -> None:
    def work(conn: sa.Connection) -> None:
        conn.execute(NEW, {"name": "a"})
        with pytest.raises(IntegrityError):
            conn.execute(NEW, {"name": "a"})
        with pytest.raises(IntegrityError), conn.begin_nested():
            conn.execute(NEW, {"name": "undone"})
            conn.execute(NEW, {"name": "b", "count": -1})
        conn.execute(NEW, {"name": "c"})

    await things.write(work)
    assert await things.read(names) == ["a", "c"]


async def test_work_that_raises_changes_nothing(things: Database) -> None:
    def work(conn: sa.Connection) -> None:
        conn.execute(NEW, {"name": "b"})
        with conn.begin_nested():
            conn.execute(NEW, {"name": "c"})
            raise LookupError

    for _ in range(3):
        with pytest.raises(LookupError):
            await things.write(work)
        await things.write(partial(sa.Connection.execute, statement=BUMP))
    assert await things.read(names) == ["a"]


async def test_reading_cannot_write(things: Database) -> None:
    for run in (things.read, things.get):
        with pytest.raises(DBAPIError, match=r"(?i)read.?only"):
            await run(new(name="a"))
    assert await things.read(names) == []


async def test_work_that_reads_sees_one_snapshot(things: Database) -> None:
    await things.write(new(name="a"))
    began, written = threading.Event(), threading.Event()

    def work(conn: sa.Connection) -> tuple[list[str], list[str]]:
        before = names(conn)
        began.set()
        assert written.wait(PATIENCE)
        return before, names(conn)

    reading = asyncio.create_task(things.read(work))
    assert await asyncio.to_thread(began.wait, PATIENCE)
    await things.write(new(name="b"))
    written.set()
    assert await reading == (["a"], ["a"])
    assert await things.read(names) == ["a", "b"]


async def test_what_is_committed_is_read_at_once_and_by_everybody(
    opening: Opening, things: Database
) -> None:
    other = await opening()
    for n in range(20):
        await things.write(new(name=f"{n:02}"))
        assert len(await other.read(names)) == len(await other.get(names)) == n + 1


async def test_of_many_writers_on_one_version_one_wins(opening: Opening, things: Database) -> None:
    databases = [things, await opening()]
    await things.write(new(name="a", count=1))
    changed = await asyncio.gather(
        *(
            databases[n % 2].write(lambda conn: conn.execute(RAISE, {"of": "a", "was": 1}).rowcount)
            for n in range(30)
        )
    )
    assert sorted(changed) == [0] * 29 + [1]


async def test_an_update_counts_the_rows_that_it_found(things: Database) -> None:
    await things.write(new(name="a", count=1))
    same = sa.update(THINGS).values(count=1)
    assert await things.write(lambda conn: conn.execute(same).rowcount) == 1


async def test_many_upserts_of_one_row_are_all_counted(opening: Opening, things: Database) -> None:
    databases = [things, await opening()]
    await asyncio.gather(
        *(databases[n % 2].write(partial(sa.Connection.execute, statement=BUMP)) for n in range(40))
    )
    [row] = await things.read(lambda conn: conn.execute(ONE, {"of": "a"}).all())
    assert row.count == 40


async def test_an_upsert_copies_values_of_the_new_row(things: Database) -> None:
    statement = upsert(THINGS, None, ["name"], ["count", "document", "time"])
    rows = [{"name": "a", "count": n, "document": {"n": n}, "time": NOW} for n in range(3)]
    await things.write(lambda conn: conn.execute(statement, rows))
    [row] = await things.read(lambda conn: conn.execute(ONE, {"of": "a"}).all())
    assert (row.count, row.document, row.time) == (2, {"n": 2}, NOW)


async def test_rows_that_somebody_else_takes_are_skipped_or_waited_for(things: Database) -> None:
    await things.write(lambda conn: conn.execute(NEW, [{"name": f"{n}"} for n in range(40)]))
    some = NAMES.limit(5).with_for_update(skip_locked=True)
    drop = sa.delete(THINGS).where(THINGS.c.name == sa.bindparam("of"))

    def take(conn: sa.Connection) -> list[str]:
        taken = list(conn.execute(some).scalars())
        return [one for one in taken if conn.execute(drop, {"of": one}).rowcount]

    taken = await asyncio.gather(*(things.write(take) for _ in range(8)))
    assert sorted(name for some in taken for name in some) == sorted(f"{n}" for n in range(40))


async def test_a_cancelled_query_never_answers_the_next_one(things: Database) -> None:
    slow = sa.text(SLOW["sqlite" if things.is_sqlite else "mysql"])
    for run in (things.read, things.write):
        reading = [
            asyncio.create_task(run(lambda conn: tuple(conn.execute(slow).one()))) for _ in range(4)
        ]
        await asyncio.sleep(0.02)
        for task in reading:
            task.cancel()
        outcomes = await asyncio.gather(*reading, return_exceptions=True)
        assert {type(one) for one in outcomes} == {asyncio.CancelledError}
        numbers = await asyncio.gather(
            *(
                run(lambda conn, n=n: conn.execute(sa.select(sa.literal(n))).scalar())
                for n in range(30)
            )
        )
        assert numbers == list(range(30))


async def test_a_cancelled_write_happens_as_a_whole_or_not_at_all(things: Database) -> None:
    slow = sa.text(SLOW["sqlite" if things.is_sqlite else "mysql"])
    began = threading.Event()

    def work(conn: sa.Connection) -> None:
        conn.execute(NEW, {"name": "first"})
        began.set()
        conn.execute(slow).all()
        conn.execute(NEW, {"name": "last"})

    writing = asyncio.create_task(things.write(work))
    assert await asyncio.to_thread(began.wait, PATIENCE)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    # Waits for the row, and so for the end of what was begun.
    with pytest.raises(IntegrityError):
        await things.write(new(name="first"))
    assert await things.read(names) == ["first", "last"]


async def test_everything_is_there_after_a_restart(opening: Opening, things: Database) -> None:
    await things.write(new(name="kept 🦊", time=NOW))
    await things.close()
    again = await opening()
    assert await again.read(names) == ["kept 🦊"]


async def test_closing_waits_for_what_has_begun(opening: Opening, things: Database) -> None:
    other = await opening()
    began, go_on = threading.Event(), threading.Event()

    def work(conn: sa.Connection) -> None:
        conn.execute(NEW, {"name": "a"})
        began.set()
        assert go_on.wait(PATIENCE)

    writing = asyncio.create_task(other.write(work))
    assert await asyncio.to_thread(began.wait, PATIENCE)
    closing = asyncio.create_task(other.close())
    await asyncio.sleep(0)
    go_on.set()
    await writing
    await closing
    assert await things.read(names) == ["a"]


async def test_rows_are_swept_however_many_there_are(things: Database) -> None:
    rows = [{"name": f"{n}", "count": n} for n in range(2 * PART + 7)]
    await things.write(lambda conn: conn.execute(NEW, rows))
    statement = in_parts(sa.delete(THINGS).where(THINGS.c.count < sa.bindparam("below")))
    assert await sweep(things, statement, {"below": 2 * PART + 5}) == 2 * PART + 5
    assert len(await things.read(names)) == 2
    assert await sweep(things, statement, {"below": 2 * PART + 5}) == 0
