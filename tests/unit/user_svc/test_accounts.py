"""Looking after accounts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from chassis.identity import NOBODY, Caller
from user_svc.domain.account import Role
from user_svc.domain.faults import (
    AccountChanged,
    CredentialsWrong,
    LastAdmin,
    PasswordTooWeak,
    PasswordWrong,
    RefreshTokenInvalid,
    TooManyRequests,
    UserDisabled,
    UserNotFound,
)

PASSWORD = "a fine long password"


async def test_people_see_themselves_and_nobody_else(world, as_caller) -> None:
    ada, eve = await world.person("ada@example.org"), await world.person("eve@example.org")
    caller = as_caller(await world.logged_in("ada@example.org"))
    assert await world.keeping.read(caller, "users/me") == ada
    assert await world.keeping.read(caller, ada.name) == ada
    for name in (eve.name, "users/nobody", "users/-", "users/"):
        with pytest.raises(UserNotFound):
            await world.keeping.read(caller, name)
    with pytest.raises(UserNotFound):
        await world.keeping.read(NOBODY, "users/me")


async def test_admins_and_peers_see_everybody(world) -> None:
    ada = await world.person()
    assert await world.keeping.read(await world.admin(), ada.name) == ada
    assert await world.keeping.read(Caller(service="broker"), ada.name) == ada


async def test_names_change_with_the_version_that_is_known(world, as_caller) -> None:
    ada = await world.person()
    caller = as_caller(await world.logged_in())
    changed = await world.keeping.update(caller, "users/me", {"given_name": "Ada"}, ada.version)
    assert changed.given_name == "Ada"
    assert changed.version == ada.version + 1
    with pytest.raises(AccountChanged):
        await world.keeping.update(caller, "users/me", {"given_name": "Eve"}, ada.version)
    assert await world.keeping.update(caller, "users/me", {"family_name": "L"}, None)


async def test_nobody_changes_somebody_else(world, as_caller) -> None:
    ada = await world.person("ada@example.org")
    await world.person("eve@example.org")
    eve = as_caller(await world.logged_in("eve@example.org"))
    with pytest.raises(UserNotFound):
        await world.keeping.update(eve, ada.name, {"given_name": "x"}, None)
    with pytest.raises(UserNotFound):
        await world.keeping.change_password(eve, ada.name, PASSWORD, "another fine password")


async def test_changes_that_meet_are_both_made(world, as_caller) -> None:
    await world.person()
    caller = as_caller(await world.logged_in())
    await asyncio.gather(
        world.keeping.update(caller, "users/me", {"given_name": "Ada"}, None),
        world.keeping.update(caller, "users/me", {"family_name": "Lovelace"}, None),
    )
    now_stored = await world.keeping.read(caller, "users/me")
    assert (now_stored.given_name, now_stored.family_name) == ("Ada", "Lovelace")


async def test_a_new_password_ends_the_other_sessions_only(world, as_caller) -> None:
    await world.person()
    mine, other = await world.logged_in(), await world.logged_in()
    caller = as_caller(mine)
    await world.keeping.change_password(caller, "users/me", PASSWORD, "another fine password")
    assert await world.log_in.refresh(mine.refresh_token)
    with pytest.raises(RefreshTokenInvalid):
        await world.log_in.refresh(other.refresh_token)
    with pytest.raises(CredentialsWrong):
        await world.logged_in()
    assert await world.logged_in(password="another fine password")


async def test_a_password_changes_only_with_the_present_one_and_for_a_good_one(
    world, as_caller
) -> None:
    await world.person()
    caller = as_caller(await world.logged_in())
    with pytest.raises(PasswordTooWeak):
        await world.keeping.change_password(caller, "users/me", PASSWORD, "ada@example.org")
    for _ in range(3):
        with pytest.raises(PasswordWrong):
            await world.keeping.change_password(caller, "users/me", "wrong", "another fine one")
    with pytest.raises(TooManyRequests):
        await world.keeping.change_password(caller, "users/me", PASSWORD, "another fine one")


async def test_roles_come_and_go_and_tokens_from_before_are_refused(
    world, trusting, as_caller
) -> None:
    world.clock.advance((datetime.now(UTC) - world.clock.now()).total_seconds())
    ada = await world.person()
    admin = await world.admin()
    pair = await world.logged_in()
    world.clock.advance(0.001)
    granted = await world.keeping.grant(admin, ada.name, Role.ADMIN)
    assert granted.roles == {Role.ADMIN}
    assert await world.keeping.grant(admin, ada.name, Role.ADMIN) == granted
    trust = await trusting()
    with pytest.raises(Exception, match="ended"):
        trust.verify(pair.access_token)
    later = await world.log_in.refresh(pair.refresh_token)
    # In the same second, and good all the same.
    assert trust.verify(later.access_token).is_admin
    assert (await world.keeping.revoke(admin, ada.name, Role.ADMIN)).roles == frozenset()


async def test_somebody_remains_who_is_an_admin(world) -> None:
    ada = await world.person()
    admin = await world.admin()
    with pytest.raises(LastAdmin):
        await world.keeping.revoke(admin, admin.user, Role.ADMIN)
    with pytest.raises(LastAdmin):
        await world.keeping.disable(admin, admin.user)
    await world.keeping.grant(admin, ada.name, Role.ADMIN)
    await world.keeping.disable(admin, admin.user)
    with pytest.raises(LastAdmin):
        await world.keeping.disable(admin, ada.name)


async def test_whoever_is_disabled_reads_why_with_the_right_password_only(world) -> None:
    ada = await world.person()
    admin = await world.admin()
    disabled = await world.keeping.disable(admin, ada.name, "Mines coins.")
    assert disabled.disable_reason == "Mines coins."
    with pytest.raises(UserDisabled, match="Mines coins"):
        await world.logged_in()
    with pytest.raises(CredentialsWrong):
        await world.logged_in(password="not the password")
    again = await world.keeping.disable(admin, ada.name, "Mines coins, twice.")
    assert again.disable_reason == "Mines coins, twice."
    enabled = await world.keeping.enable(admin, ada.name)
    assert enabled.disable_reason == ""
    assert await world.logged_in()


async def test_a_language_is_chosen_and_given_up_again(world, as_caller) -> None:
    await world.person()
    caller = as_caller(await world.logged_in())
    chosen = await world.keeping.update(caller, "users/me", {"language_code": "de"}, None)
    assert chosen.language_code == "de"
    assert (await world.keeping.update(caller, "users/me", {}, None)).language_code == "de"
    back = await world.keeping.update(caller, "users/me", {"language_code": ""}, None)
    assert back.language_code == "en"


async def test_what_changes_nothing_is_told_to_nobody(world) -> None:
    ada = await world.person()
    admin = await world.admin()
    world.woken.clear()
    assert await world.keeping.enable(admin, ada.name) == ada
    assert await world.keeping.revoke(admin, ada.name, Role.ADMIN) == ada
    assert world.woken == []


async def test_the_first_admin_is_made_once_with_a_password_in_a_file(world) -> None:
    import json

    made = await asyncio.gather(*(world.first_admin.ensure() for _ in range(4)))
    assert sorted(made) == [False, False, False, True]
    shown = json.loads(world.admin_file.path.read_text())
    assert world.admin_file.path.stat().st_mode & 0o777 == 0o600
    pair = await world.logged_in(shown["email"], shown["password"])
    assert pair.account.is_active_admin


async def test_the_file_of_the_first_admin_goes_with_its_password(world, as_caller) -> None:
    import json

    await world.first_admin.ensure()
    shown = json.loads(world.admin_file.path.read_text())
    await world.person("ada@example.org")
    ada = as_caller(await world.logged_in("ada@example.org"))
    await world.keeping.change_password(ada, "users/me", PASSWORD, "another fine password")
    assert world.admin_file.path.exists()
    admin = as_caller(await world.logged_in(shown["email"], shown["password"]))
    await world.keeping.change_password(
        admin, "users/me", shown["password"], "another fine password"
    )
    assert not world.admin_file.path.exists()
    assert not await world.first_admin.ensure()
    assert not world.admin_file.path.exists()


async def test_a_crash_between_file_and_account_loses_no_password(world) -> None:
    password = await world.admin_file.password("admin@allocator.local")
    assert await world.first_admin.ensure()
    assert await world.logged_in("admin@allocator.local", password)
