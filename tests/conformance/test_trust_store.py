"""Signing keys and revocations, as their port promises them."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from chassis.clock import SystemClock
from chassis.identity import Vault
from chassis.identity.vault import VaultBroken
from chassis.sql import Database, open_database
from tests.sql_places import SQL_ENGINES, SqlPlace, what_is_stored
from user_svc.adapters.trust_store.sql import SqlTrustStore, put_revocation
from user_svc.domain.trust import Revocation, SigningKey
from user_svc.ports.sessions import TrustStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
UNTIL = NOW + timedelta(minutes=16)
FIRST_INSTANT = datetime.min.replace(tzinfo=UTC)
LAST_INSTANT = datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)


@dataclass
class Replica:
    """One process that uses the store."""

    database: Database
    trust: TrustStore

    async def revoke(self, *revocations: Revocation) -> None:
        """Stores revocations, as the changes that ask for them do."""
        for one in revocations:
            await self.database.write(lambda connection, one=one: put_revocation(connection, one))


Opening = Callable[..., Awaitable[Replica]]


@pytest.fixture(params=SQL_ENGINES)
async def opening(request: pytest.FixtureRequest, sql_place: SqlPlace) -> AsyncIterator[Opening]:
    """Opens the same store each time that it is called, as one more process would."""
    url = sql_place(request.param, "user_svc.schema")
    opened: list[Database] = []

    async def open_(vault_key: bytes = b"k" * 32) -> Replica:
        database = await open_database(url, "user_svc.schema", SystemClock())
        opened.append(database)
        return Replica(database, SqlTrustStore(database, Vault(vault_key)))

    yield open_
    for database in opened:
        await database.close()


@pytest.fixture
async def replica(opening: Opening) -> Replica:
    """A store with nothing in it."""
    return await opening()


def a_key(key_id: str, seconds: float = 0) -> SigningKey:
    """A key that was made so many seconds later."""
    made = NOW + timedelta(seconds=seconds)
    return SigningKey(key_id, os.urandom(32), os.urandom(32), made)


def a_revocation(
    user: str = "users/ada", seconds: int = 0, until: datetime = UNTIL, session: str = ""
) -> Revocation:
    """A revocation that was made so many seconds later."""
    made = NOW + timedelta(seconds=seconds)
    return Revocation(str(uuid.uuid4()), user, session, made, until, made)


async def test_where_there_is_nothing_nothing_is_told(replica: Replica) -> None:
    assert await replica.trust.keys() == []
    assert await replica.trust.revocations(FIRST_INSTANT, NOW) == []
    assert await replica.trust.sweep(LAST_INSTANT) == 0


@pytest.mark.parametrize(
    "key",
    [
        SigningKey("zeros", bytes(32), bytes(32), NOW),
        SigningKey("ones", b"\xff" * 32, b"\xff" * 32, LAST_INSTANT),
        SigningKey("🦊" * 32, b"'" * 32, b";" * 32, NOW + timedelta(milliseconds=7)),
        SigningKey("k" * 32, os.urandom(32), os.urandom(32), NOW),
    ],
    ids=["zeros", "ones", "emoji", "longest"],
)
async def test_a_key_comes_back_as_it_was_made(replica: Replica, key: SigningKey) -> None:
    assert await replica.trust.add_key(key, "")
    assert await replica.trust.keys() == [key]
    await replica.trust.drop_key(key.id)
    assert await replica.trust.keys() == []


async def test_keys_are_told_oldest_first(replica: Replica) -> None:
    keys = [a_key("zeta"), a_key("eta", 0.001), a_key("alpha", 5)]
    for key, newest in zip(keys, ["", "zeta", "eta"], strict=True):
        assert await replica.trust.add_key(key, newest)
    assert await replica.trust.keys() == keys


async def test_a_key_that_does_not_follow_the_newest_is_refused(replica: Replica) -> None:
    one, two = a_key("one"), a_key("two", 1)
    assert await replica.trust.add_key(one, "")
    assert not await replica.trust.add_key(a_key("late"), "")
    assert await replica.trust.add_key(two, "one")
    assert not await replica.trust.add_key(a_key("late", 2), "one")
    assert await replica.trust.keys() == [one, two]


async def test_two_keys_of_one_identifier_are_not_kept(replica: Replica) -> None:
    one = a_key("one")
    assert await replica.trust.add_key(one, "")
    assert not await replica.trust.add_key(a_key("one", 1), "one")
    assert await replica.trust.keys() == [one]


@pytest.mark.parametrize("key_id", ["", "nobodys", "🦊", "' OR 1=1 --", "%", "x" * 10_000])
async def test_dropping_what_is_not_there_drops_nothing(replica: Replica, key_id: str) -> None:
    one = a_key("one")
    await replica.trust.add_key(one, "")
    await replica.trust.drop_key(key_id)
    assert await replica.trust.keys() == [one]


async def test_of_replicas_that_make_the_next_key_at_once_one_does(opening: Opening) -> None:
    replicas = [await opening() for _ in range(2)]
    newest = ""
    for turn in range(3):
        made = [a_key(f"{turn}-{n}", turn) for n in range(6)]
        outcomes = await asyncio.gather(
            *(replicas[n % 2].trust.add_key(key, newest) for n, key in enumerate(made))
        )
        assert sorted(outcomes) == [False] * 5 + [True]
        stored = made[outcomes.index(True)]
        for replica in replicas:
            assert (await replica.trust.keys())[-1] == stored
        newest = stored.id


async def test_what_one_replica_stores_the_other_is_told(opening: Opening) -> None:
    one, other = await opening(), await opening()
    key, revocation = a_key("one"), a_revocation()
    await one.trust.add_key(key, "")
    await one.revoke(revocation)
    assert await other.trust.keys() == [key]
    assert await other.trust.revocations(NOW, NOW) == [revocation]
    await other.trust.drop_key("one")
    assert await one.trust.keys() == []


async def test_revocations_of_two_writers_at_once_are_all_told(opening: Opening) -> None:
    replicas = [await opening() for _ in range(2)]
    made = [a_revocation(f"users/u{n}") for n in range(20)]
    await asyncio.gather(*(replicas[n % 2].revoke(one) for n, one in enumerate(made)))
    for replica in replicas:
        told = await replica.trust.revocations(NOW, NOW)
        assert {one.id for one in told} == {one.id for one in made}
    swept = await asyncio.gather(*(replica.trust.sweep(UNTIL) for replica in replicas))
    assert sum(swept) == 20


async def test_everything_is_there_after_a_restart(opening: Opening) -> None:
    before = await opening()
    keys = [a_key("one"), a_key("two", 1)]
    revocation = a_revocation()
    await before.trust.add_key(keys[0], "")
    await before.trust.add_key(keys[1], "one")
    await before.revoke(revocation)
    await before.database.close()
    after = await opening()
    assert await after.trust.keys() == keys
    assert await after.trust.revocations(NOW, NOW) == [revocation]
    assert not await after.trust.add_key(a_key("late", 2), "one")


async def test_private_keys_are_sealed_with_the_key_of_the_installation(
    opening: Opening,
) -> None:
    replica = await opening()
    key = a_key("one")
    await replica.trust.add_key(key, "")
    stored = await what_is_stored(replica.database)
    assert key.public_key in stored
    assert key.private_key not in stored
    assert key.private_key.hex() not in repr(key) + str(key)
    with pytest.raises(VaultBroken):
        await (await opening(b"another key".ljust(32))).trust.keys()
    assert await (await opening()).trust.keys() == [key]


@pytest.mark.parametrize(
    "revocation",
    [
        a_revocation("users/🦊", session="users/🦊/sessions/🦊"),
        a_revocation("u" * 80, session="s" * 80),
        a_revocation("'; DROP TABLE revocations; --"),
        a_revocation(until=LAST_INSTANT),
    ],
    ids=["emoji", "longest", "quote", "last instant"],
)
async def test_a_revocation_comes_back_as_it_was_made(
    replica: Replica, revocation: Revocation
) -> None:
    await replica.revoke(revocation)
    assert await replica.trust.revocations(NOW, NOW) == [revocation]


async def test_revocations_are_told_oldest_first_from_the_moment_itself_on(
    replica: Replica,
) -> None:
    made = [a_revocation(seconds=n) for n in range(4)]
    await replica.revoke(*reversed(made))
    assert await replica.trust.revocations(FIRST_INSTANT, NOW) == made
    assert await replica.trust.revocations(NOW + 2 * SECOND, NOW) == made[2:]
    just_after = NOW + 2 * SECOND + timedelta(milliseconds=1)
    assert await replica.trust.revocations(just_after, NOW) == made[3:]


async def test_a_revocation_is_told_until_it_ends_and_then_swept(replica: Replica) -> None:
    short, long = a_revocation(until=NOW + SECOND), a_revocation(seconds=1)
    await replica.revoke(short, long)
    just_before = NOW + SECOND - timedelta(milliseconds=1)
    assert await replica.trust.revocations(NOW, just_before) == [short, long]
    assert await replica.trust.revocations(NOW, NOW + SECOND) == [long]
    assert await replica.trust.sweep(just_before) == 0
    assert await replica.trust.sweep(NOW + SECOND) == 1
    assert await replica.trust.revocations(FIRST_INSTANT, NOW) == [long]


async def test_a_late_first_key_is_refused_also_when_the_first_is_gone(replica: Replica) -> None:
    one, two = a_key("one"), a_key("two", 1)
    assert await replica.trust.add_key(one, "")
    assert await replica.trust.add_key(two, "one")
    await replica.trust.drop_key("one")
    assert not await replica.trust.add_key(a_key("late", 2), "")
    assert await replica.trust.keys() == [two]


async def test_a_key_after_one_that_is_not_there_is_refused(replica: Replica) -> None:
    assert not await replica.trust.add_key(a_key("orphan"), "nobodys")
    assert await replica.trust.keys() == []
