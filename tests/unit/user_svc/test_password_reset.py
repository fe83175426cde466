"""Choosing a new password when the former one is forgotten."""

from __future__ import annotations

import json

import pytest

from user_svc.domain.code import Purpose
from user_svc.domain.contact import email, phone
from user_svc.domain.faults import (
    CodeSentRecently,
    CodeWrong,
    CredentialsWrong,
    PasswordTooWeak,
    RefreshTokenInvalid,
    TooManyRequests,
)

NEW = "another fine password"
ADA = email("ada@example.org")
HERE = "192.0.2.1"


async def asked(world, contact=ADA) -> str:
    """The digits of a code that somebody has asked for."""
    world.clock.advance(60)
    await world.reset.request(contact, HERE)
    [letter] = await world.mail()
    return letter.digits


async def test_a_forgotten_password_is_replaced_and_every_session_ends(world) -> None:
    ada = await world.person()
    pair = await world.logged_in()
    world.clock.advance(60)
    await world.reset.request(email("ADA@example.org"), HERE)
    [letter] = await world.mail()
    assert letter.purpose is Purpose.PASSWORD_RESET
    assert (letter.email, letter.to.user) == ("ada@example.org", ada.name)
    await world.reset.reset(ADA, letter.digits, NEW, HERE)
    with pytest.raises(RefreshTokenInvalid):
        await world.log_in.refresh(pair.refresh_token)
    with pytest.raises(CredentialsWrong):
        await world.logged_in()
    assert await world.logged_in(password=NEW)
    with pytest.raises(CodeWrong):
        await world.reset.reset(ADA, letter.digits, NEW, HERE)


async def test_a_verified_number_will_do_and_one_that_is_not_will_not(world) -> None:
    ada = await world.person()
    number = phone("+4930123456")
    await world.reset.request(number, HERE)
    assert await world.mail() == []
    from chassis.identity import Caller

    me = Caller(user=ada.name, verified=True)
    world.clock.advance(60)
    await world.contacts.change(me, "users/me", number, "a fine long password", HERE)
    [letter] = await world.mail()
    await world.contacts.confirm(me, "users/me", letter.digits)
    digits = await asked(world, number)
    with pytest.raises(CodeWrong):
        await world.reset.reset(ADA, digits, NEW, HERE)
    await world.reset.reset(number, digits, NEW, HERE)
    assert await world.logged_in(password=NEW)


@pytest.mark.parametrize("state", ["nobody", "unverified", "disabled", "active"])
async def test_nothing_tells_whether_there_is_an_account(world, state: str) -> None:
    if state == "unverified":
        await world.registered()
    elif state != "nobody":
        ada = await world.person()
        if state == "disabled":
            await world.keeping.disable(await world.admin(), ada.name, "Mines coins.")
    world.clock.advance(60)
    await world.reset.request(ADA, HERE)
    assert len(await world.mail()) == (1 if state == "active" else 0)
    with pytest.raises(CodeSentRecently) as refused:
        await world.reset.request(ADA, HERE)
    assert refused.value.retry_after == pytest.approx(60)
    with pytest.raises(CodeWrong) as wrong:
        await world.reset.reset(ADA, "not it", NEW, HERE)
    assert wrong.value.message == "This is not the code, or it has ended; ask for a new one."


async def test_weak_passwords_are_refused_before_the_code_is_looked_at(world) -> None:
    await world.person()
    digits = await asked(world)
    for weak in ("short", "ada@example.org"):
        with pytest.raises(PasswordTooWeak):
            await world.reset.reset(ADA, digits, weak, HERE)
    await world.reset.reset(ADA, digits, NEW, HERE)


async def test_a_code_is_dead_after_five_wrong_ones_and_after_ten_minutes(world) -> None:
    await world.person()
    digits = await asked(world)
    wrong = f"{(int(digits) + 1) % 10**6:06d}"
    for _ in range(5):
        with pytest.raises(CodeWrong):
            await world.reset.reset(ADA, wrong, NEW, HERE)
    with pytest.raises(CodeWrong):
        await world.reset.reset(ADA, digits, NEW, HERE)
    digits = await asked(world)
    world.clock.advance(600)
    with pytest.raises(CodeWrong):
        await world.reset.reset(ADA, digits, NEW, HERE)


async def test_resets_are_limited_by_network_address(world) -> None:
    for _ in range(10):
        with pytest.raises(CodeWrong):
            await world.reset.reset(ADA, "123456", NEW, HERE)
    with pytest.raises(TooManyRequests):
        await world.reset.reset(ADA, "123456", NEW, HERE)


async def test_a_code_for_signing_up_resets_no_password(world) -> None:
    letter = await world.registered()
    with pytest.raises(CodeWrong):
        await world.reset.reset(ADA, letter.digits, NEW, HERE)


async def test_the_file_of_the_first_admin_goes_when_its_password_is_reset(world) -> None:
    await world.first_admin.ensure()
    shown = json.loads(world.admin_file.path.read_text())
    digits = await asked(world, email(shown["email"]))
    await world.reset.reset(email(shown["email"]), digits, NEW, HERE)
    assert not world.admin_file.path.exists()
