"""Personal access tokens: what they say, and what ends them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chassis.faults import Fault, Unauthenticated
from chassis.identity import Caller, Trust
from user_svc.domain.account import Role
from user_svc.domain.faults import (
    AccessTokenEndInvalid,
    AccessTokenNotFound,
    RoleMissing,
    ScopeUnknown,
    SessionOver,
    TooManyAccessTokens,
    TooManyRequests,
)
from user_svc.domain.names import id_of

SCOPES = ["allocations:write", "allocations:read"]


def refused(trust: Trust, token: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        trust.verify(token)
    return caught.value.reason


@pytest.fixture
async def caller(world, as_caller) -> Caller:
    """Ada, with a session."""
    await world.person()
    return as_caller(await world.logged_in())


@pytest.fixture
async def admin(world, as_caller) -> Caller:
    """Somebody with a session and the role of an admin."""
    first = await world.admin()
    account = await world.person("root@example.org")
    await world.keeping.grant(first, account.name, Role.ADMIN)
    return as_caller(await world.logged_in("root@example.org"))


async def test_a_token_says_whose_it_is_and_what_it_may_do(world, trusting, caller) -> None:
    made, text = await world.access_tokens.create(caller, "ci", SCOPES, None)
    trust = await trusting()
    found = trust.verify(text)
    assert (found.user, found.session) == (caller.user, "")
    assert found.access_token == made.name
    assert found.scopes == {"allocations:read", "allocations:write"}
    assert found.verified
    assert made.expire_time - made.create_time == timedelta(days=30)
    assert trust.take_used() == [made.name]
    assert trust.take_used() == []


async def test_a_token_is_deleted_once_and_only_by_its_owner(
    world, trusting, caller, as_caller
) -> None:
    made, text = await world.access_tokens.create(caller, "ci", SCOPES, None)
    await world.person("grace@example.org")
    grace = as_caller(await world.logged_in("grace@example.org"))
    with pytest.raises(AccessTokenNotFound):
        await world.access_tokens.delete(grace, made.id)
    assert (await trusting()).verify(text).access_token == made.name
    await world.access_tokens.delete(caller, made.id)
    assert refused(await trusting(), text) == "TOKEN_REVOKED"
    assert await world.access_tokens.list_live(caller, None, 10) == []
    with pytest.raises(AccessTokenNotFound):
        await world.access_tokens.delete(caller, made.id)


async def test_logging_out_everywhere_ends_no_token(world, trusting, caller) -> None:
    _, text = await world.access_tokens.create(caller, "ci", SCOPES, None)
    await world.log_in.end(caller, "")
    assert (await trusting()).verify(text).user == caller.user


async def test_a_change_of_password_keeps_tokens(world, trusting, caller) -> None:
    _, text = await world.access_tokens.create(caller, "ci", SCOPES, None)
    await world.keeping.change_password(
        caller, "users/me", "a fine long password", "another fine one 77"
    )
    assert (await trusting()).verify(text).user == caller.user


async def test_disabling_ends_every_token_also_once_the_account_is_enabled_again(
    world, trusting, caller
) -> None:
    _, text = await world.access_tokens.create(caller, "ci", SCOPES, None)
    root = await world.admin()
    await world.keeping.disable(root, caller.user)
    assert refused(await trusting(), text) == "TOKEN_REVOKED"
    await world.keeping.enable(root, caller.user)
    assert refused(await trusting(), text) == "TOKEN_REVOKED"


async def test_deleting_the_account_ends_every_token(world, trusting, caller) -> None:
    _, text = await world.access_tokens.create(caller, "ci", SCOPES, None)
    await world.leaving.delete(caller, "users/me", "a fine long password", None)
    assert refused(await trusting(), text) == "TOKEN_REVOKED"
    # Whoever was still asking meanwhile gets none.
    with pytest.raises(SessionOver):
        await world.access_tokens.create(caller, "late", SCOPES, None)


async def test_only_with_the_scope_a_token_uses_the_role_of_an_admin(
    world, trusting, caller, admin
) -> None:
    with pytest.raises(RoleMissing):
        await world.access_tokens.create(caller, "ci", ["admin"], None)
    _, plain = await world.access_tokens.create(admin, "plain", SCOPES, None)
    _, strong = await world.access_tokens.create(admin, "strong", ["admin"], None)
    trust = await trusting()
    assert not trust.verify(plain).is_admin
    assert trust.verify(strong).is_admin


async def test_taking_the_role_ends_the_tokens_that_used_it_and_no_other(
    world, trusting, admin
) -> None:
    _, plain = await world.access_tokens.create(admin, "plain", SCOPES, None)
    _, strong = await world.access_tokens.create(admin, "strong", ["admin"], None)
    root = await world.admin()
    await world.keeping.revoke(root, admin.user, Role.ADMIN)
    trust = await trusting()
    assert refused(trust, strong) == "TOKEN_REVOKED"
    assert trust.verify(plain).user == admin.user
    # A session that still says ADMIN cannot make another one meanwhile.
    with pytest.raises(RoleMissing):
        await world.access_tokens.create(admin, "late", ["admin"], None)


async def test_granting_a_role_keeps_tokens(world, trusting, caller) -> None:
    _, text = await world.access_tokens.create(caller, "ci", SCOPES, None)
    await world.keeping.grant(await world.admin(), caller.user, Role.ADMIN)
    assert (await trusting()).verify(text).roles == frozenset()


async def test_a_session_that_has_ended_makes_none(world, caller) -> None:
    await world.log_in.end(caller, id_of(caller.session))
    with pytest.raises(SessionOver):
        await world.access_tokens.create(caller, "late", SCOPES, None)


async def test_what_is_asked_for_must_make_sense(world, caller) -> None:
    now = world.clock.now()
    for end in (now, now - timedelta(days=1), now + timedelta(days=366)):
        with pytest.raises(AccessTokenEndInvalid):
            await world.access_tokens.create(caller, "ci", SCOPES, end)
    with pytest.raises(ScopeUnknown) as caught:
        await world.access_tokens.create(caller, "ci", ["allocations:delete"], None)
    assert "allocations:write" in caught.value.message
    made, _ = await world.access_tokens.create(caller, "ci", SCOPES, now + timedelta(days=365))
    assert made.expire_time == now + timedelta(days=365)


async def test_tokens_are_few_and_made_slowly(world, caller) -> None:
    for n in range(3):
        await world.access_tokens.create(caller, f"{n}", SCOPES, None)
    with pytest.raises(TooManyAccessTokens):
        await world.access_tokens.create(caller, "more", SCOPES, None)
    found = await world.access_tokens.list_live(caller, None, 10)
    await world.access_tokens.delete(caller, found[0].id)
    await world.access_tokens.create(caller, "3", SCOPES, None)
    with pytest.raises(TooManyRequests) as caught:
        await world.access_tokens.create(caller, "too fast", SCOPES, None)
    assert caught.value.retry_after == pytest.approx(60.0)


async def test_the_key_stays_published_until_its_last_token_has_ended(
    world, trusting, caller
) -> None:
    old = world.feed.signing_key()
    end = world.clock.now() + timedelta(days=300)
    _, text = await world.access_tokens.create(caller, "ci", SCOPES, end)
    for _ in range(3):
        world.clock.advance(91 * 86400)
        await world.feed.refresh()
        await world.feed.sweep()
    assert old in world.feed.published()
    assert (await trusting()).verify(text).user == caller.user
    world.clock.advance(28 * 86400)
    await world.feed.refresh()
    await world.feed.sweep()
    assert old not in world.feed.published()
    assert old not in await world.trust_store.keys()


async def test_a_revocation_is_told_until_the_token_would_have_ended(
    world, trusting, caller
) -> None:
    end = world.clock.now() + timedelta(days=300)
    made, text = await world.access_tokens.create(caller, "ci", SCOPES, end)
    await world.access_tokens.delete(caller, made.id)
    world.clock.advance(299 * 86400)
    await world.feed.refresh()
    assert refused(await trusting(), text) == "TOKEN_REVOKED"


async def test_use_is_noted_to_within_a_minute(world, caller) -> None:
    made, _ = await world.access_tokens.create(caller, "ci", SCOPES, None)
    assert made.last_use_time is None
    first = world.clock.now()
    for seconds in (0, 30, 31):
        world.clock.advance(seconds)
        await world.access_tokens.note_use([made.name, "accessTokens/nobodys"])
        [found] = await world.access_tokens.list_live(caller, None, 10)
        assert found.last_use_time is not None
    assert found.last_use_time == first + timedelta(seconds=61)


async def test_tokens_that_have_ended_are_listed_no_more_and_forgotten(
    world, trusting, caller
) -> None:
    end = world.clock.now() + timedelta(hours=1)
    made, _ = await world.access_tokens.create(caller, "ci", SCOPES, end)
    world.clock.advance(3601)
    assert await world.access_tokens.list_live(caller, None, 10) == []
    assert await world.tokens.sweep(world.clock.now()) == 1
    with pytest.raises(Fault):
        await world.access_tokens.delete(caller, made.id)
