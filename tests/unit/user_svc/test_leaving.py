"""The end of an account."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from allocator.users.v1 import user_facts_pb2
from sqlalchemy import select

from chassis.bus import Record
from chassis.bus.facts import decode
from user_svc.domain.account import Role
from user_svc.domain.faults import (
    AccountChanged,
    CredentialsWrong,
    LastAdmin,
    LogInNotFresh,
    PasswordWrong,
    RefreshTokenInvalid,
    TooManyRequests,
    UserNotFound,
)
from user_svc.schema.tables import OUTBOX

PASSWORD = "a fine long password"


@pytest.fixture
async def ada(world, as_caller):  # type: ignore[no-untyped-def]
    """Somebody who is logged in."""
    await world.person("ada@example.org")
    return as_caller(await world.logged_in("ada@example.org"))


async def told(world, name: str) -> list[Record]:
    """What the bus is told of a person, in order."""
    return await world.database.read(
        lambda connection: [
            Record(row.topic, row.key, bytes(row.value), row.headers)
            for row in connection.execute(select(OUTBOX).order_by(OUTBOX.c.id))
            if row.key == name
        ]
    )


async def test_an_account_ends_with_its_sessions_and_its_address_is_free(
    world, ada, trusting
) -> None:
    world.clock.advance((datetime.now(UTC) - world.clock.now()).total_seconds())
    pair = await world.logged_in()
    await world.leaving.delete(ada, "users/me", PASSWORD, None)
    with pytest.raises(UserNotFound):
        await world.keeping.read(ada, "users/me")
    with pytest.raises(RefreshTokenInvalid):
        await world.log_in.refresh(pair.refresh_token)
    with pytest.raises(CredentialsWrong):
        await world.logged_in()
    trust = await trusting()
    with pytest.raises(Exception, match="ended"):
        trust.verify(pair.access_token)
    again = await world.person("ada@example.org")
    assert again.name != ada.user


async def test_others_are_told_that_it_has_ended_and_the_state_is_a_tombstone(world, ada) -> None:
    account = await world.keeping.read(ada, "users/me")
    await world.leaving.delete(ada, "users/me", PASSWORD, account.version)
    *_, fact, state = await told(world, ada.user)
    ended = decode(fact, user_facts_pb2.UserDeleted)
    assert ended is not None
    assert (ended.name, ended.uid) == (account.name, account.uid)
    assert ended.delete_time.ToDatetime(UTC) == world.clock.now()
    assert state.topic == "allocator.users.state.v1"
    assert state.is_tombstone
    assert int(fact.headers["version"]) == account.version + 1
    assert b"ada@example.org" not in fact.value


async def test_it_needs_the_password_and_wrong_ones_slow_down(world, ada) -> None:
    for _ in range(3):
        with pytest.raises(PasswordWrong):
            await world.leaving.delete(ada, "users/me", "wrong", None)
    with pytest.raises(TooManyRequests):
        await world.leaving.delete(ada, "users/me", PASSWORD, None)
    assert await world.keeping.read(ada, "users/me")


async def test_who_has_just_logged_in_needs_no_password_and_others_do(world, ada) -> None:
    world.clock.advance(601)
    with pytest.raises(LogInNotFresh):
        await world.leaving.delete(ada, "users/me", "", None)
    assert await world.keeping.read(ada, "users/me")


async def test_a_fresh_log_in_shows_that_it_is_them(world, ada) -> None:
    world.clock.advance(599)
    await world.leaving.delete(ada, "users/me", "", None)
    with pytest.raises(UserNotFound):
        await world.keeping.read(ada, "users/me")


async def test_nobody_ends_somebody_elses_account(world, ada) -> None:
    eve = await world.person("eve@example.org")
    with pytest.raises(UserNotFound):
        await world.leaving.delete(ada, eve.name, PASSWORD, None)
    assert await world.accounts.get(eve.id) == eve


async def test_an_admin_ends_anybodys_with_the_admins_own_password(world, as_caller) -> None:
    eve, boss = await world.person("eve@example.org"), await world.person("boss@example.org")
    await world.keeping.change_password(
        as_caller(await world.logged_in("eve@example.org")), "users/me", PASSWORD, "eve's own words"
    )
    await world.keeping.grant(await world.admin(), boss.name, Role.ADMIN)
    caller = as_caller(await world.logged_in("boss@example.org"))
    with pytest.raises(PasswordWrong):
        await world.leaving.delete(caller, eve.name, "eve's own words", None)
    await world.leaving.delete(caller, eve.name, PASSWORD, None)
    assert await world.accounts.get(eve.id) is None
    with pytest.raises(UserNotFound):
        await world.leaving.delete(caller, eve.name, PASSWORD, None)


async def test_a_stale_version_ends_nothing(world, ada) -> None:
    account = await world.keeping.read(ada, "users/me")
    await world.keeping.update(ada, "users/me", {"given_name": "Ada"}, None)
    with pytest.raises(AccountChanged):
        await world.leaving.delete(ada, "users/me", PASSWORD, account.version)
    assert await world.keeping.read(ada, "users/me")


async def test_the_last_admin_stays(world, as_caller) -> None:
    ada = await world.person("ada@example.org")
    first = await world.admin()
    await world.keeping.grant(first, ada.name, Role.ADMIN)
    boss = as_caller(await world.logged_in("ada@example.org"))
    await world.leaving.delete(boss, first.user, PASSWORD, None)
    assert not world.admin_file.path.exists()
    with pytest.raises(LastAdmin):
        await world.leaving.delete(boss, "users/me", PASSWORD, None)
    assert not await world.first_admin.ensure()


async def test_whoever_ends_it_twice_at_once_ends_it_once(world, ada) -> None:
    outcomes = await asyncio.gather(
        *(world.leaving.delete(ada, "users/me", PASSWORD, None) for _ in range(2)),
        return_exceptions=True,
    )
    assert outcomes.count(None) == 1
    assert sum(isinstance(one, UserNotFound) for one in outcomes) == 1
    facts = [decode(one, user_facts_pb2.UserDeleted) for one in await told(world, ada.user)]
    assert sum(one is not None for one in facts) == 1
