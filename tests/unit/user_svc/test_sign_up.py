"""Signing up and verifying."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace

import pytest

from user_svc.domain.code import LetterKind, Purpose
from user_svc.domain.contact import ContactKind, email, phone
from user_svc.domain.faults import (
    CodeSentRecently,
    CodeWrong,
    CredentialsWrong,
    PasswordTooWeak,
    TooManyRequests,
)
from user_svc.usecases.sign_up import NewPerson

ADA = NewPerson("Ada@example.org", "a fine long password", "+4930123456", "Ada", "Lovelace")


async def test_whoever_signs_up_gets_a_code_that_verifies_them(world) -> None:
    await world.sign_up.register(ADA, "192.0.2.1", "")
    [letter] = await world.mail()
    assert letter.kind is LetterKind.VERIFICATION_CODE
    assert letter.email == "Ada@example.org"
    assert letter.digits.isdigit()
    assert len(letter.digits) == 6
    await world.sign_up.verify(email("ADA@example.org"), letter.digits)
    account = await world.accounts.by_email("ada@example.org")
    assert account.verified
    assert account.given_name == "Ada"
    assert not account.roles
    assert world.woken.count("letters") == 1


async def test_a_taken_address_is_told_to_its_owner_only(world) -> None:
    before = await world.person("ada@example.org")
    await world.sign_up.register(replace(ADA, email="ADA@example.org"), "192.0.2.1", "")
    [letter] = await world.mail()
    assert letter.kind is LetterKind.ADDRESS_TAKEN
    assert letter.email == "ada@example.org"
    assert letter.digits == ""
    assert await world.accounts.by_email("ada@example.org") == before


async def test_an_address_that_was_never_verified_starts_over(world) -> None:
    first = await world.registered("ada@example.org", "the first password")
    second = await world.registered("ada@example.org", "the second password")
    if first.digits != second.digits:
        with pytest.raises(CodeWrong):
            await world.sign_up.verify(email("ada@example.org"), first.digits)
    await world.sign_up.verify(email("ada@example.org"), second.digits)
    with pytest.raises(CredentialsWrong):
        await world.logged_in(password="the first password")
    assert await world.logged_in(password="the second password")


async def test_many_who_sign_up_with_one_address_at_once_make_one_account(world) -> None:
    outcomes = await asyncio.gather(
        *(world.sign_up.register(ADA, f"192.0.2.{n}", "") for n in range(3)),
        return_exceptions=True,
    )
    assert outcomes == [None] * 3
    assert len(await world.accounts.find([], [("create_time", True)], None, 10)) == 1
    # The newest letter is the one that fits.
    letters = await world.mail()
    account = await world.accounts.by_email(ADA.email)
    assert len(letters) == 3
    fits = [
        await world.accounts.try_code(
            account.id,
            Purpose.SIGN_UP,
            email(ADA.email),
            one.digits,
            now=world.clock.now(),
            change=None,
        )
        for one in letters
    ]
    assert fits.count(True) == 1


async def test_the_same_request_again_has_no_second_effect(world) -> None:
    request_id = str(uuid.uuid4())
    await world.sign_up.register(ADA, "192.0.2.1", request_id)
    await world.sign_up.register(ADA, "192.0.2.1", request_id.upper())
    assert len(await world.mail()) == 1


async def test_a_phone_number_that_nobody_has_shown_to_be_theirs_keeps_nobody_out(world) -> None:
    await world.sign_up.register(ADA, "192.0.2.1", "")
    await world.sign_up.register(replace(ADA, email="grace@example.org"), "192.0.2.1", "")
    for address in ("ada@example.org", "grace@example.org"):
        account = await world.accounts.by_email(address)
        assert account.phone_number == "+4930123456"
        assert not account.phone_verified
    assert await world.accounts.by_contact(phone("+4930123456")) is None
    assert len(await world.mail()) == 2


BY_PHONE = replace(ADA, verify_by=ContactKind.PHONE)


async def test_whoever_signs_up_by_phone_gets_a_code_there_that_verifies_them(world) -> None:
    await world.sign_up.register(replace(BY_PHONE, language_code="de"), "192.0.2.1", "")
    [letter] = await world.mail()
    assert (letter.email, letter.phone_number) == ("", "+4930123456")
    assert letter.to.language_code == "de"
    with pytest.raises(CodeWrong):
        await world.sign_up.verify(email(ADA.email), letter.digits)
    await world.sign_up.verify(phone("+4930123456"), letter.digits)
    account = await world.accounts.by_contact(phone("+4930123456"))
    assert (account.verified, account.phone_verified, account.email_verified) == (True, True, False)


async def test_an_address_that_a_phone_sign_up_names_stays_free(world) -> None:
    await world.sign_up.register(BY_PHONE, "192.0.2.1", "")
    [letter] = await world.mail()
    await world.sign_up.verify(phone("+4930123456"), letter.digits)
    owner = await world.person("ada@example.org")
    assert owner.email_verified
    assert owner.phone_number == ""
    assert await world.accounts.by_email("ada@example.org") == owner


async def test_a_phone_sign_up_does_not_tell_whether_its_address_is_known(world) -> None:
    before = await world.person("ada@example.org")
    await world.sign_up.register(BY_PHONE, "192.0.2.1", "")
    [letter] = await world.mail()
    assert letter.kind is LetterKind.VERIFICATION_CODE
    await world.sign_up.verify(phone("+4930123456"), letter.digits)
    assert await world.accounts.by_email("ada@example.org") == before


async def test_a_taken_number_is_told_to_its_owner_only(world) -> None:
    await world.sign_up.register(BY_PHONE, "192.0.2.1", "")
    [letter] = await world.mail()
    await world.sign_up.verify(phone("+4930123456"), letter.digits)
    await world.sign_up.register(replace(BY_PHONE, email="eve@example.org"), "192.0.2.1", "")
    [note] = await world.mail()
    assert note.kind is LetterKind.ADDRESS_TAKEN
    assert note.phone_number == "+4930123456"
    assert await world.accounts.by_email("eve@example.org") is None


async def test_codes_are_limited_by_network_address_too(world) -> None:
    for n in range(10):
        await world.sign_up.send_code(email(f"p{n}@example.org"), "192.0.2.1")
    with pytest.raises(TooManyRequests) as refused:
        await world.sign_up.send_code(email("q@example.org"), "192.0.2.1")
    assert refused.value.retry_after == pytest.approx(60)


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "aaaaaaaaaaaa",
        "ababababab",
        "Password123",
        "my Ada.Love 1815",
        "x" * 257,
        "1234567890",
    ],
)
async def test_weak_passwords_are_refused(world, password: str) -> None:
    with pytest.raises(PasswordTooWeak):
        await world.sign_up.register(NewPerson("ada.love@example.org", password), "192.0.2.1", "")
    assert await world.mail() == []


async def test_a_network_address_waits_after_many_sign_ups(world) -> None:
    for n in range(10):
        await world.sign_up.register(replace(ADA, email=f"p{n}@example.org"), "192.0.2.1", "")
    with pytest.raises(TooManyRequests) as refused:
        await world.sign_up.register(replace(ADA, email="q@example.org"), "192.0.2.1", "")
    assert refused.value.retry_after == pytest.approx(60)
    await world.sign_up.register(replace(ADA, email="q@example.org"), "192.0.2.2", "")
    world.clock.advance(60)
    await world.sign_up.register(replace(ADA, email="r@example.org"), "192.0.2.1", "")


@pytest.mark.parametrize("known", [True, False])
async def test_the_limit_of_an_address_does_not_tell_whether_it_is_known(world, known) -> None:
    if known:
        await world.person("ada@example.org")
    else:
        await world.sign_up.register(ADA, "192.0.2.1", "")
    for _ in range(2):
        await world.sign_up.register(ADA, "192.0.2.1", "")
    with pytest.raises(TooManyRequests):
        await world.sign_up.register(ADA, "192.0.2.1", "")


@pytest.mark.parametrize("known", [True, False])
async def test_a_new_code_is_sent_once_a_minute_whether_or_not_it_is_known(world, known) -> None:
    if known:
        await world.registered("ada@example.org")
        world.clock.advance(60)
    await world.sign_up.send_code(email("ada@example.org"), "192.0.2.1")
    assert len(await world.mail()) == (1 if known else 0)
    world.clock.advance(20)
    with pytest.raises(CodeSentRecently) as refused:
        await world.sign_up.send_code(email("ADA@example.org"), "192.0.2.1")
    assert refused.value.retry_after == pytest.approx(40)


async def test_right_after_sign_up_no_second_code_is_sent(world) -> None:
    await world.registered("ada@example.org")
    with pytest.raises(CodeSentRecently):
        await world.sign_up.send_code(email("ada@example.org"), "192.0.2.1")


async def test_a_verified_or_disabled_account_gets_no_code(world) -> None:
    await world.person("ada@example.org")
    world.clock.advance(61)
    await world.sign_up.send_code(email("ada@example.org"), "192.0.2.1")
    assert await world.mail() == []


async def test_a_code_is_used_once_and_ends(world) -> None:
    letter = await world.registered()
    world.clock.advance(600)
    with pytest.raises(CodeWrong):
        await world.sign_up.verify(email(letter.email), letter.digits)
    await world.sign_up.send_code(email(letter.email), "192.0.2.1")
    [fresh] = await world.mail()
    await world.sign_up.verify(email(letter.email), fresh.digits)
    with pytest.raises(CodeWrong):
        await world.sign_up.verify(email(letter.email), fresh.digits)


async def test_a_code_for_nobody_is_as_wrong_as_any(world) -> None:
    letter = await world.registered()
    wrong = f"{(int(letter.digits) + 1) % 10**6:06d}"
    with pytest.raises(CodeWrong) as nobody:
        await world.sign_up.verify(email("nobody@example.org"), "123456")
    with pytest.raises(CodeWrong) as somebody:
        await world.sign_up.verify(email(letter.email), wrong)
    assert nobody.value.message == somebody.value.message
