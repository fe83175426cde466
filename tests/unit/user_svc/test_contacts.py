"""Changing one's e-mail address or phone number."""

from __future__ import annotations

import json

import pytest

from chassis.faults import Fault
from user_svc.domain.code import LetterKind, Purpose
from user_svc.domain.contact import ContactKind, email, phone
from user_svc.domain.faults import (
    CodeSentRecently,
    CodeWrong,
    ContactTaken,
    CredentialsWrong,
    PasswordWrong,
    TooManyRequests,
    UserNotFound,
)
from user_svc.usecases.sign_up import NewPerson

PASSWORD = "a fine long password"
HERE = "192.0.2.1"
NEW = email("Countess@Example.org")
NUMBER = phone("+4930123456")


@pytest.fixture
async def ada(world, as_caller):  # type: ignore[no-untyped-def]
    """Somebody who is logged in."""
    await world.person("ada@example.org")
    return as_caller(await world.logged_in("ada@example.org"))


async def test_an_address_changes_once_its_code_has_come_back(world, ada) -> None:
    assert await world.contacts.change(ada, "users/me", NEW, PASSWORD, HERE)
    [letter] = await world.mail()
    assert letter.email == "Countess@Example.org"
    assert letter.purpose is Purpose.NEW_CONTACT
    assert letter.to.user == ada.user
    before = await world.keeping.read(ada, "users/me")
    assert before.email == "ada@example.org"
    changed = await world.contacts.confirm(ada, "users/me", letter.digits)
    assert (changed.email, changed.email_verified) == ("Countess@Example.org", True)
    assert await world.logged_in("countess@example.org")
    with pytest.raises(CredentialsWrong):
        await world.logged_in("ada@example.org")
    [note] = await world.mail()
    assert note.kind is LetterKind.ADDRESS_CHANGED
    assert (note.email, note.new_contact) == ("ada@example.org", "C***@Example.org")


async def test_a_code_changes_a_contact_once(world, ada) -> None:
    await world.contacts.change(ada, "users/me", NEW, PASSWORD, HERE)
    [letter] = await world.mail()
    await world.contacts.confirm(ada, "users/me", letter.digits)
    with pytest.raises(CodeWrong):
        await world.contacts.confirm(ada, "users/me", letter.digits)


async def test_a_number_is_added_and_nobody_else_is_told(world, ada) -> None:
    assert await world.contacts.change(ada, "users/me", NUMBER, PASSWORD, HERE)
    [letter] = await world.mail()
    assert letter.phone_number == NUMBER.value
    changed = await world.contacts.confirm(ada, "users/me", letter.digits)
    assert (changed.phone_number, changed.phone_verified) == (NUMBER.value, True)
    assert changed.email == "ada@example.org"
    assert await world.mail() == []


async def test_ones_own_present_value_is_no_error_and_needs_no_code(world, ada) -> None:
    own = email("ADA@example.org")
    assert not await world.contacts.change(ada, "users/me", own, PASSWORD, HERE)
    assert await world.mail() == []


async def test_a_number_that_was_only_given_is_verified_by_changing_to_it(world, as_caller) -> None:
    person = NewPerson("ada@example.org", PASSWORD, NUMBER.value)
    await world.sign_up.register(person, HERE, "")
    [letter] = await world.mail()
    await world.sign_up.verify(email("ada@example.org"), letter.digits)
    ada = as_caller(await world.logged_in())
    assert await world.contacts.change(ada, "users/me", NUMBER, PASSWORD, HERE)
    [letter] = await world.mail()
    changed = await world.contacts.confirm(ada, "users/me", letter.digits)
    assert (changed.phone_number, changed.phone_verified) == (NUMBER.value, True)
    assert await world.mail() == []


async def test_somebody_elses_contact_is_refused_without_a_word(world, ada) -> None:
    eve = await world.person("eve@example.org")
    world.clock.advance(60)
    assert await world.contacts.change(ada, "users/me", email("eve@example.org"), PASSWORD, HERE)
    [note] = await world.mail()
    assert note.kind is LetterKind.ADDRESS_TAKEN
    assert (note.email, note.to.user) == ("eve@example.org", eve.name)
    for digits in ("000000", "123456"):
        with pytest.raises(CodeWrong):
            await world.contacts.confirm(ada, "users/me", digits)
    assert await world.accounts.by_email("eve@example.org") == eve


async def test_a_contact_that_was_shown_by_somebody_else_meanwhile_is_taken(world, ada) -> None:
    await world.contacts.change(ada, "users/me", NEW, PASSWORD, HERE)
    [letter] = await world.mail()
    await world.person(NEW.value)
    with pytest.raises(ContactTaken):
        await world.contacts.confirm(ada, "users/me", letter.digits)
    # The code was not used up by it, and the account is as it was.
    assert (await world.keeping.read(ada, "users/me")).email == "ada@example.org"


async def test_an_account_that_nobody_has_verified_gives_way(world, ada) -> None:
    await world.registered(NEW.value)
    squatter = await world.accounts.by_email(NEW.value)
    world.clock.advance(60)
    await world.contacts.change(ada, "users/me", NEW, PASSWORD, HERE)
    [letter] = await world.mail()
    changed = await world.contacts.confirm(ada, "users/me", letter.digits)
    assert changed.email == NEW.value
    assert await world.accounts.get(squatter.id) is None


async def test_the_last_contact_that_was_asked_for_counts(world, ada) -> None:
    await world.contacts.change(ada, "users/me", NEW, PASSWORD, HERE)
    [first] = await world.mail()
    await world.contacts.change(ada, "users/me", NUMBER, PASSWORD, HERE)
    [second] = await world.mail()
    if first.digits != second.digits:
        with pytest.raises(CodeWrong):
            await world.contacts.confirm(ada, "users/me", first.digits)
    changed = await world.contacts.confirm(ada, "users/me", second.digits)
    assert (changed.email, changed.phone_number) == ("ada@example.org", NUMBER.value)


async def test_a_contact_changes_only_with_the_password_and_only_ones_own(world, ada) -> None:
    eve = await world.person("eve@example.org")
    with pytest.raises(UserNotFound):
        await world.contacts.change(ada, eve.name, NEW, PASSWORD, HERE)
    for _ in range(3):
        with pytest.raises(PasswordWrong):
            await world.contacts.change(ada, "users/me", NEW, "wrong", HERE)
    with pytest.raises(TooManyRequests):
        await world.contacts.change(ada, "users/me", NEW, PASSWORD, HERE)
    assert await world.mail() == []


async def test_the_next_code_for_one_contact_has_to_wait(world, ada) -> None:
    await world.contacts.change(ada, "users/me", NEW, PASSWORD, HERE)
    with pytest.raises(CodeSentRecently) as refused:
        await world.contacts.change(ada, "users/me", NEW, PASSWORD, HERE)
    assert refused.value.retry_after == pytest.approx(60)


async def test_a_new_password_ends_the_code_that_a_thief_has_asked_for(world, ada) -> None:
    await world.contacts.change(ada, "users/me", NEW, PASSWORD, HERE)
    [letter] = await world.mail()
    await world.keeping.change_password(ada, "users/me", PASSWORD, "another fine password")
    with pytest.raises(CodeWrong):
        await world.contacts.confirm(ada, "users/me", letter.digits)


async def test_an_admin_with_another_address_is_not_made_again(world, as_caller) -> None:
    await world.first_admin.ensure()
    shown = json.loads(world.admin_file.path.read_text())
    admin = as_caller(await world.logged_in(shown["email"], shown["password"]))
    await world.contacts.change(admin, "users/me", NEW, shown["password"], HERE)
    [letter] = await world.mail()
    await world.contacts.confirm(admin, "users/me", letter.digits)
    assert not world.admin_file.path.exists()
    assert not await world.first_admin.ensure()


@pytest.mark.parametrize(
    ("contact", "masked"),
    [
        (email("ada@example.org"), "a***@example.org"),
        (email("x@y.z"), "x***@y.z"),
        (email(f"x@{'y' * 252}"), f"x***@{'y' * 249}"),
        (phone("+4930123456"), "+49******56"),
        (phone("+1234567"), "+12***67"),
    ],
)
def test_enough_of_a_contact_is_shown_to_know_it_again(contact, masked: str) -> None:
    assert contact.masked == masked


async def test_whoever_has_only_a_phone_may_add_an_address(world, as_caller) -> None:
    person = NewPerson("ada@example.org", PASSWORD, NUMBER.value, verify_by=ContactKind.PHONE)
    await world.sign_up.register(person, HERE, "")
    [letter] = await world.mail()
    await world.sign_up.verify(NUMBER, letter.digits)
    account = await world.accounts.by_contact(NUMBER)
    with pytest.raises(Fault, match="wrong"):
        await world.logged_in("ada@example.org")
    assert (await world.logged_in(NUMBER.value)).account == account
    from chassis.identity import Caller

    ada = Caller(user=account.name, verified=True)
    await world.contacts.change(ada, "users/me", email("ada@example.org"), PASSWORD, HERE)
    [letter] = await world.mail()
    changed = await world.contacts.confirm(ada, "users/me", letter.digits)
    assert changed.email_verified
    assert changed.phone_verified
    assert await world.logged_in("ada@example.org")
