"""Request ids in a SQL store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from chassis.clock import ManualClock
from chassis.faults import Conflict, Unavailable
from chassis.listing import Once
from chassis.sql import Database, open_database
from chassis.sql.once import answer_of, recall, remember
from tests.sql_places import SQL_ENGINES, SqlPlace
from tests.unit.chassis_sql.shelf_schema.tables import BOOKS, ONCE

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ID = "0e8b7a52-4c25-4f6c-9f0c-0f9a6a1f7a11"


SCHEMA = "tests.unit.chassis_sql.shelf_schema"


@pytest.fixture(params=SQL_ENGINES)
async def books(request: pytest.FixtureRequest, sql_place: SqlPlace) -> AsyncIterator[Database]:
    """A database with nothing in it."""
    database = await open_database(sql_place(request.param, SCHEMA), SCHEMA, ManualClock())
    yield database
    await database.close()


def once(caller: str = "users/a", method: str = "Create", part: object = 1) -> Once:
    made = Once.of(caller, method, ID, part)
    assert made is not None
    return made


async def asked(books: Database, once: Once | None, answer: str, now: datetime = NOW) -> str:
    """Does what a use case does: the effect only if the request is new."""

    def work(conn: sa.Connection) -> dict[str, Any]:
        before = recall(conn, ONCE, once, now)
        if before is None:
            before = {"name": answer}
            remember(conn, ONCE, once, before, now)
        return before

    return str((await books.write(work))["name"])


async def test_a_replay_gets_the_first_answer(books: Database) -> None:
    answers = await asyncio.gather(*(asked(books, once(), f"answer {n}") for n in range(10)))
    assert set(answers) == {answers[0]}


async def test_another_caller_or_method_may_use_the_same_id(books: Database) -> None:
    assert await asked(books, once(), "one") == "one"
    assert await asked(books, once(caller="users/b"), "two") == "two"
    assert await asked(books, once(method="Delete"), "three") == "three"


async def test_another_request_may_not_use_the_id(books: Database) -> None:
    await asked(books, once(part=1), "one")
    with pytest.raises(Conflict) as reused:
        await asked(books, once(part=2), "two")
    assert reused.value.reason == "REQUEST_ID_REUSED"


async def test_without_a_request_id_every_request_is_new(books: Database) -> None:
    assert await asked(books, None, "one") == "one"
    assert await asked(books, None, "two") == "two"


async def test_after_a_day_the_id_is_free_again(books: Database) -> None:
    await asked(books, once(part=1), "one")
    almost = NOW + timedelta(hours=24, milliseconds=-1)
    assert await asked(books, once(part=1), "two", almost) == "one"
    assert await asked(books, once(part=2), "two", NOW + timedelta(hours=24)) == "two"


async def test_old_answers_are_removed_a_few_at_a_time(books: Database) -> None:
    for n in range(50):
        await asked(books, Once("users/a", "Create", str(n), ""), "x")
    counts = []
    for n in range(4):
        later = NOW + timedelta(hours=30 + n)
        await asked(books, Once("users/a", "Create", f"later {n}", ""), "x", later)
        counts.append(
            await books.read(
                lambda conn: conn.execute(sa.select(sa.func.count(ONCE.c.time))).scalar()
            )
        )
    assert counts == [31, 12, 3, 4]


async def test_a_request_that_is_being_carried_out_is_not_begun_again(books: Database) -> None:
    await asked(books, once(), "one")
    with pytest.raises(Unavailable) as twice:
        await books.write(lambda conn: remember(conn, ONCE, once(), {"name": "two"}, NOW))
    assert twice.value.reason == "OVERLOADED"
    assert await asked(books, once(), "two") == "one"


async def test_the_second_of_two_equal_requests_has_no_effect(books: Database) -> None:
    row = {"name": "only one", "version": 1, "time": NOW}

    def work(conn: sa.Connection) -> dict[str, Any]:
        before = recall(conn, ONCE, once(), NOW)
        if before is not None:
            return before
        conn.execute(sa.insert(BOOKS), row)
        remember(conn, ONCE, once(), {"made": "it"}, NOW)
        return {"made": "it"}

    # None of them finds that the name is taken.
    assert await asyncio.gather(*(books.write(work) for _ in range(12))) == [{"made": "it"}] * 12


async def test_a_request_that_failed_may_come_again(books: Database) -> None:
    def fails(conn: sa.Connection) -> None:
        assert recall(conn, ONCE, once(), NOW) is None
        raise LookupError

    with pytest.raises(LookupError):
        await books.write(fails)
    assert await asked(books, once(), "one") == "one"


async def test_a_request_that_had_nothing_to_do_may_come_again(books: Database) -> None:
    assert await books.write(lambda conn: recall(conn, ONCE, once(), NOW)) is None
    assert await books.read(lambda conn: answer_of(conn, ONCE, once(), NOW)) is None
    assert await asked(books, once(part=2), "one") == "one"
    assert await asked(books, once(part=2), "two") == "one"
    found = await books.read(lambda conn: answer_of(conn, ONCE, once(part=2), NOW))
    assert found == {"name": "one"}
