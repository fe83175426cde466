"""Sessions, keys and revocations, as their ports promise them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chassis.clock import SystemClock
from chassis.identity import Vault
from chassis.sql import open_database
from tests.sql_places import SQL_ENGINES, SqlPlace
from user_svc.adapters.session_store.sql import SqlSessionStore
from user_svc.adapters.trust_store.sql import SqlTrustStore
from user_svc.domain.session import Session, open_session
from user_svc.domain.trust import SigningKey
from user_svc.ports.sessions import SessionStore, TrustStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
UNTIL = NOW + timedelta(minutes=16)


@pytest.fixture(params=SQL_ENGINES)
async def both(
    request: pytest.FixtureRequest, sql_place: SqlPlace
) -> AsyncIterator[tuple[SessionStore, TrustStore]]:
    """Stores with nothing in them, opened as in production."""
    url = sql_place(request.param, "user_svc.schema")
    database = await open_database(url, "user_svc.schema", SystemClock())
    vault = Vault(b"k" * 32)
    sessions = SqlSessionStore(database, vault, lambda session: [], lambda: None)
    yield sessions, SqlTrustStore(database, vault)
    await database.close()


@pytest.fixture
def sessions(both: tuple[SessionStore, TrustStore]) -> SessionStore:
    """The sessions."""
    return both[0]


@pytest.fixture
def trust(both: tuple[SessionStore, TrustStore]) -> TrustStore:
    """The keys and revocations."""
    return both[1]


def a_session(user_id: str = "ada", seconds: int = 0) -> Session:
    """A session that began so many seconds later."""
    return open_session(user_id, NOW + timedelta(seconds=seconds), DAY, "curl/8 🦊", "::1")[0]


async def test_a_session_comes_back_as_it_was_stored(sessions: SessionStore) -> None:
    session = a_session()
    await sessions.add(session, 10)
    assert await sessions.get(session.id) == session
    assert await sessions.get("nobodys") is None


async def test_of_many_who_rotate_at_once_one_does(sessions: SessionStore) -> None:
    session, token = open_session("ada", NOW, DAY, "", "")
    await sessions.add(session, 10)
    becomes = session.rotated(token, NOW + DAY / 2, DAY)
    outcomes = await asyncio.gather(*(sessions.rotate(session, becomes) for _ in range(6)))
    assert sorted(outcomes) == [False] * 5 + [True]
    assert await sessions.get(session.id) == becomes


async def test_a_session_that_has_ended_is_not_rotated(sessions: SessionStore) -> None:
    session, token = open_session("ada", NOW, DAY, "", "")
    await sessions.add(session, 10)
    await sessions.end("ada", session.id, NOW, UNTIL)
    assert not await sessions.rotate(session, session.rotated(token, NOW, DAY))


async def test_the_oldest_end_where_there_are_too_many(sessions: SessionStore) -> None:
    made = [a_session(seconds=n) for n in range(5)]
    others = a_session("grace")
    await sessions.add(others, 3)
    for one in made:
        await sessions.add(one, 3)
    found = await sessions.open_of("ada", NOW, None, 10)
    assert [one.id for one in found] == [one.id for one in reversed(made[2:])]
    assert await sessions.open_of("grace", NOW, None, 10) == [others]


async def test_ending_revokes_and_touches_nobody_elses(
    sessions: SessionStore, trust: TrustStore
) -> None:
    mine, other, others = a_session(), a_session(), a_session("grace")
    for one in (mine, other, others):
        await sessions.add(one, 10)
    assert await sessions.end("ada", others.id, NOW, UNTIL) == []
    assert await sessions.end("ada", mine.id, NOW, UNTIL) == [mine.id]
    assert await sessions.end("ada", mine.id, NOW, UNTIL) == []
    assert await sessions.end("ada", "", NOW, UNTIL) == [other.id]
    told = await trust.revocations(NOW, NOW)
    assert {(one.user, one.session) for one in told} == {
        ("users/ada", mine.name),
        ("users/ada", other.name),
    }
    assert all(one.issued_before == UNTIL == one.expire_time for one in told)
    assert await sessions.open_of("grace", NOW, None, 10) == [others]


async def test_open_sessions_are_listed_by_pages_without_those_that_lapsed(
    sessions: SessionStore,
) -> None:
    made = [a_session(seconds=n // 2) for n in range(5)]
    lapsed = replace(a_session(), expire_time=NOW)
    for one in (*made, lapsed):
        await sessions.add(one, 10)
    expected = sorted(made, key=lambda one: (one.create_time, one.id), reverse=True)
    first = await sessions.open_of("ada", NOW, None, 2)
    rest = await sessions.open_of("ada", NOW, (first[-1].create_time, first[-1].id), 10)
    assert [*first, *rest] == expected


async def test_old_sessions_are_swept(sessions: SessionStore) -> None:
    ended, lapsed, current = a_session(), replace(a_session(), expire_time=NOW), a_session()
    for one in (ended, lapsed, current):
        await sessions.add(one, 10)
    await sessions.end("ada", ended.id, NOW, UNTIL)
    assert await sessions.sweep(NOW) == 0
    assert await sessions.sweep(NOW + timedelta(seconds=1)) == 2
    assert await sessions.get(current.id) == current


def a_key(name: str, seconds: int = 0) -> SigningKey:
    """A key that was made so many seconds later."""
    return SigningKey(name, b"p" * 32, b"s" * 32, NOW + timedelta(seconds=seconds))


async def test_keys_come_back_oldest_first(trust: TrustStore) -> None:
    assert await trust.add_key(a_key("one"), "")
    assert await trust.add_key(a_key("two", 1), "one")
    assert await trust.keys() == [a_key("one"), a_key("two", 1)]
    await trust.drop_key("one")
    assert await trust.keys() == [a_key("two", 1)]


async def test_of_many_who_make_the_next_key_one_does(trust: TrustStore) -> None:
    outcomes = await asyncio.gather(*(trust.add_key(a_key(f"k{n}"), "") for n in range(6)))
    assert sorted(outcomes) == [False] * 5 + [True]
    assert len(await trust.keys()) == 1


async def test_revocations_are_told_from_a_moment_on_until_they_end(
    sessions: SessionStore, trust: TrustStore
) -> None:
    for n in range(3):
        one = a_session(str(uuid.uuid4())[:8])
        await sessions.add(one, 10)
        await sessions.end(one.user_id, "", NOW + timedelta(seconds=n), UNTIL)
    told = await trust.revocations(NOW + timedelta(seconds=1), NOW)
    assert [one.create_time for one in told] == [
        NOW + timedelta(seconds=1),
        NOW + timedelta(seconds=2),
    ]
    assert await trust.revocations(datetime.min.replace(tzinfo=UTC), UNTIL) == []
    assert await trust.sweep(NOW) == 0
    assert await trust.sweep(UNTIL) == 3
