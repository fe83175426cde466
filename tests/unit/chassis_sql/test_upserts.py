"""Insert, or update what is there."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from chassis.sql import Database, upsert
from tests.unit.chassis_sql.shelf_schema.tables import BOOKS

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ROW = {"name": "a", "version": 1, "time": NOW, "document": {"n": 1}}


async def written(books: Database, *statements: sa.Insert) -> tuple[object, ...]:
    for statement in statements:
        await books.write(partial(sa.Connection.execute, statement=statement))
    [row] = await books.read(lambda conn: conn.execute(sa.select(BOOKS)).all())
    return tuple(row)


async def test_a_new_row_is_inserted_and_an_old_one_updated(books: Database) -> None:
    columns = ["version", "document"]
    first = upsert(BOOKS, ROW, ["name"], columns)
    second = upsert(BOOKS, {**ROW, "version": 7, "document": {"n": 2}}, ["name"], columns)
    assert await written(books, first) == ("a", 1, NOW, {"n": 1}, None)
    assert await written(books, second) == ("a", 7, NOW, {"n": 2}, None)


async def test_an_old_row_can_be_changed_by_expressions_and_values(books: Database) -> None:
    changes = {"version": BOOKS.c.version + 10, "document": {"changed": True}}
    statement = upsert(BOOKS, ROW, ["name"], changes)
    assert await written(books, statement, statement, statement) == (
        *("a", 21, NOW, {"changed": True}, None),
    )


async def test_two_upserts_of_one_shape_keep_their_own_values(books: Database) -> None:
    one = upsert(BOOKS, ROW, ["name"], {"version": 5})
    two = upsert(BOOKS, ROW, ["name"], {"version": 6})
    assert (await written(books, one, one))[1] == 5
    assert (await written(books, two))[1] == 6


async def test_rows_can_be_given_when_it_is_executed(books: Database) -> None:
    statement = upsert(BOOKS, None, ["name"], ["version"])
    rows = [{**ROW, "version": n} for n in range(3)]
    await books.write(lambda conn: conn.execute(statement, rows))
    assert (await written(books))[1] == 2


def test_mysql_has_its_own_words_for_it() -> None:
    text = str(upsert(BOOKS, ROW, ["name"], ["version"]).compile(dialect=mysql.dialect()))
    assert text.endswith("ON DUPLICATE KEY UPDATE version = VALUES(version)")
    changes = {"version": BOOKS.c.version + 1}
    text = str(upsert(BOOKS, ROW, ["name"], changes).compile(dialect=mysql.dialect()))
    assert text.endswith("ON DUPLICATE KEY UPDATE version = (books.version + %s)")


def test_an_upsert_of_unknown_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="colour"):
        upsert(BOOKS, ROW, ["name"], ["colour"])
    with pytest.raises(ValueError, match="must change"):
        upsert(BOOKS, ROW, ["name"], [])
