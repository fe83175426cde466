"""Signing up by invitation."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chassis.identity import Caller
from tests.sql_places import what_is_stored
from user_svc.domain.account import Role
from user_svc.domain.code import LetterKind
from user_svc.domain.contact import ContactKind
from user_svc.domain.contact import email as by_email
from user_svc.domain.faults import (
    InvitationEndInvalid,
    InvitationInvalid,
    InvitationNotFound,
    InvitationRequired,
    SignUpClosed,
    TooManyInvitations,
)
from user_svc.domain.invitation import digest_of
from user_svc.usecases.invitations import Wanted
from user_svc.usecases.sign_up import Mode, NewPerson

PASSWORD = "a fine long password"
BY_INVITATION = pytest.mark.parametrize("world", [Mode.INVITE], indirect=True)


def person(name: str, code: str = "", **more: Any) -> NewPerson:
    """Somebody who wants to sign up with a code."""
    return NewPerson(f"{name}@example.org", PASSWORD, invitation_code=code, **more)


async def invited(world: Any, **wanted: Any) -> tuple[Any, str]:
    """An invitation of the first admin's, and its code."""
    made: tuple[Any, str] = await world.invitations.create(await world.admin(), Wanted(**wanted))
    return made


async def sign_up(world: Any, who: NewPerson, address: str = "192.0.2.1") -> None:
    """Signs somebody up."""
    await world.sign_up.register(who, address, "")


@BY_INVITATION
async def test_who_has_a_code_signs_up_once_with_it(world: Any) -> None:
    made, code = await invited(world)
    with pytest.raises(InvitationRequired):
        await sign_up(world, person("ada"))
    with pytest.raises(InvitationInvalid):
        await sign_up(world, person("ada", "aaaaa-aaaaa-aaaaa-aaaaa"))
    await sign_up(world, person("ada", f" {code.upper().replace('-', ' ')} "))
    [letter] = await world.mail()
    await world.sign_up.verify(by_email("ada@example.org"), letter.digits)
    assert not (await world.accounts.by_email("ada@example.org")).roles
    with pytest.raises(InvitationInvalid):
        await sign_up(world, person("bob", code))
    assert (await world.invitations.read(made.id)).use_count == 1


@BY_INVITATION
async def test_whoever_has_lost_the_one_time_code_signs_up_again_with_the_same_invitation(
    world: Any,
) -> None:
    made, code = await invited(world)
    await sign_up(world, person("ada", code))
    world.clock.advance(120)
    await sign_up(world, person("ADA", code))
    assert (await world.invitations.read(made.id)).use_count == 1
    assert len(await world.mail()) == 2


@BY_INVITATION
async def test_of_many_at_once_as_many_get_in_as_are_invited(world: Any) -> None:
    made, code = await invited(world, max_uses=3)
    outcomes = await asyncio.gather(
        *(sign_up(world, person(f"p{n}", code), f"192.0.2.{n}") for n in range(8)),
        return_exceptions=True,
    )
    assert outcomes.count(None) == 3
    assert all(isinstance(one, InvitationInvalid) for one in outcomes if one is not None)
    assert (await world.invitations.read(made.id)).use_count == 3
    assert len(await world.accounts.find([], [("create_time", True)], None, 20)) == 3 + 1


@BY_INVITATION
async def test_a_taken_address_is_a_use_like_any_other(world: Any) -> None:
    _, code = await invited(world)
    await sign_up(world, person("ada", code))
    await world.sign_up.verify(by_email("ada@example.org"), (await world.mail())[-1].digits)
    made, code = await invited(world)
    await sign_up(world, person("ada", code), "192.0.2.7")
    # Nobody learns from what is left of it whether there is an account.
    assert (await world.invitations.read(made.id)).use_count == 1
    assert [one.kind for one in await world.mail()] == [LetterKind.ADDRESS_TAKEN]


@BY_INVITATION
async def test_an_invited_address_gets_the_code_and_is_the_only_one_that_can_use_it(
    world: Any,
) -> None:
    made, code = await invited(world, email="Ada@example.org", language_code="de")
    [letter] = await world.mail()
    assert letter.kind is LetterKind.INVITATION
    assert letter.digits == code
    assert (letter.email, letter.to.language_code) == ("Ada@example.org", "de")
    assert letter.expire_time == made.expire_time
    with pytest.raises(InvitationInvalid):
        await sign_up(world, person("bob", code))
    # Also not with one's own number beside the address that was invited.
    by_phone = person("ada", code, phone_number="+4930123456", verify_by=ContactKind.PHONE)
    with pytest.raises(InvitationInvalid):
        await sign_up(world, by_phone)
    await sign_up(world, person("ada", code))


@BY_INVITATION
async def test_it_ends_by_time_and_by_being_withdrawn(world: Any) -> None:
    made, code = await invited(world, max_uses=9)
    other, other_code = await invited(world, max_uses=9)
    await world.invitations.delete(other.id)
    with pytest.raises(InvitationInvalid):
        await sign_up(world, person("ada", other_code))
    with pytest.raises(InvitationNotFound):
        await world.invitations.delete(other.id)
    with pytest.raises(InvitationNotFound):
        await world.invitations.read(other.id)
    world.clock.advance(7 * 86_400)
    assert world.clock.now() == made.expire_time
    with pytest.raises(InvitationInvalid):
        await sign_up(world, person("ada", code))
    await world.invitation_store.sweep(world.clock.now())
    assert await world.invitations.find(None, 10) == [made]
    await world.invitation_store.sweep(world.clock.now() + timedelta(seconds=1))
    assert await world.invitations.find(None, 10) == []


async def test_ends_and_numbers_are_bounded(world: Any) -> None:
    admin, now = await world.admin(), world.clock.now()
    for end in (now, now + timedelta(days=366)):
        with pytest.raises(InvitationEndInvalid):
            await world.invitations.create(admin, Wanted(expire_time=end))
    for _ in range(5):
        await world.invitations.create(admin, Wanted(expire_time=now + timedelta(days=365)))
    with pytest.raises(TooManyInvitations):
        await world.invitations.create(admin, Wanted())


async def test_the_code_is_kept_nowhere_and_no_two_are_alike(world: Any) -> None:
    codes = {(await invited(world))[1] for _ in range(5)}
    assert len(codes) == 5
    stored = await what_is_stored(world.database)
    for code in codes:
        assert code.encode() not in stored
        assert code.replace("-", "").encode() not in stored
        assert digest_of(code).encode() in stored


@BY_INVITATION
async def test_who_has_used_it_is_not_written_down(world: Any) -> None:
    _, code = await invited(world)
    await sign_up(world, person("grace.hopper", code))
    await world.mail()
    account = await world.accounts.by_email("grace.hopper@example.org")
    marks = await world.database.read(
        lambda connection: (
            connection.exec_driver_sql("SELECT contact_mark FROM invitation_uses").scalars().all()
        )
    )
    assert len(marks) == 1
    assert account.id not in marks[0]
    assert "grace" not in marks[0]


@BY_INVITATION
async def test_what_an_admin_has_invited_goes_with_the_admin(world: Any, as_caller: Any) -> None:
    _, code = await invited(world, max_uses=9)
    await sign_up(world, person("ada", code))
    await world.sign_up.verify(by_email("ada@example.org"), (await world.mail())[-1].digits)
    pair = await world.logged_in()
    await world.keeping.grant(await world.admin(), pair.account.name, Role.ADMIN)
    ada: Caller = replace(as_caller(pair), roles=frozenset({"ADMIN"}))
    _, of_ada = await world.invitations.create(ada, Wanted(max_uses=9))
    await world.leaving.delete(ada, "users/me", PASSWORD, None)
    with pytest.raises(InvitationInvalid):
        await sign_up(world, person("bob", of_ada))
    await sign_up(world, person("bob", code))


async def test_where_sign_up_is_open_a_code_counts_for_nothing(world: Any) -> None:
    made, code = await invited(world)
    await sign_up(world, person("ada", code))
    await sign_up(world, person("bob", "nonsense"))
    assert (await world.invitations.read(made.id)).use_count == 0


@pytest.mark.parametrize("world", [Mode.CLOSED], indirect=True)
async def test_where_sign_up_is_closed_a_code_does_not_help(world: Any) -> None:
    _, code = await invited(world)
    with pytest.raises(SignUpClosed):
        await sign_up(world, person("ada", code))
