"""The second factor."""

from __future__ import annotations

import asyncio
import re
import xml.etree.ElementTree as ET

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.identity import Caller
from user_svc.domain.faults import (
    CredentialsWrong,
    PasswordWrong,
    TooManyRequests,
    TotpEnrolled,
    TotpNotEnrolled,
    TotpRequired,
    TotpWrong,
    UserNotFound,
)
from user_svc.domain.totp import new_recovery_codes, recovery_digest
from user_svc.usecases.second_factor import Proof

PASSWORD = "a fine long password"
EMAIL = "ada@example.org"


@pytest.fixture
async def caller(world, as_caller) -> Caller:
    """Ada, with a session."""
    await world.person()
    return as_caller(await world.logged_in())


class Enrolled:
    """Ada's authenticator app and her sheet of recovery codes."""

    def __init__(self, world, secret: str, codes: list[str]) -> None:
        self.world = world
        self.app = pyotp.TOTP(secret)
        self.codes = codes

    def code(self, steps: int = 0) -> str:
        """The code that the app shows so many steps from now."""
        return self.app.at(self.world.clock.now(), counter_offset=steps)

    async def log_in(self, *, password: str = PASSWORD, **proof: str):
        """Logs in with a code."""
        return await self.world.log_in.open(EMAIL, password, "192.0.2.1", "tests", Proof(**proof))


@pytest.fixture
async def enrolled(world, caller) -> Enrolled:
    """Ada, who has a second factor."""
    made = await world.second_factor.enroll(caller, "users/me", PASSWORD)
    code = pyotp.TOTP(made.secret).at(world.clock.now())
    codes = await world.second_factor.confirm(caller, "users/me", code)
    world.clock.advance(30)
    return Enrolled(world, made.secret, codes)


async def test_until_it_is_confirmed_the_password_alone_does(world, caller) -> None:
    made = await world.second_factor.enroll(caller, "users/me", PASSWORD)
    assert made.secret in made.uri
    assert made.uri.startswith("otpauth://totp/Allocator:ada%40example.org?")
    assert ET.fromstring(made.qr_svg).tag == "{http://www.w3.org/2000/svg}svg"
    _, found = await world.second_factor.read(caller, "users/me")
    assert found is not None
    assert not found.is_active
    await world.logged_in()


async def test_a_log_in_needs_a_code_and_only_the_right_password_learns_that(
    world, enrolled
) -> None:
    with pytest.raises(TotpRequired):
        await enrolled.log_in()
    with pytest.raises(CredentialsWrong):
        await enrolled.log_in(password="wrong", totp_code=enrolled.code())
    # The wrong password has not used the code up.
    assert (await enrolled.log_in(totp_code=enrolled.code())).session.user_id


async def test_the_code_of_the_neighbouring_steps_does_for_clocks_that_differ(
    world, enrolled
) -> None:
    assert (await enrolled.log_in(totp_code=enrolled.code(1))).access_token
    world.clock.advance(90)
    assert (await enrolled.log_in(totp_code=enrolled.code(-1))).access_token
    world.clock.advance(90)
    for steps in (-2, 2):
        with pytest.raises(TotpWrong):
            await enrolled.log_in(totp_code=enrolled.code(steps))


async def test_a_code_is_good_once(world, enrolled) -> None:
    code = enrolled.code()
    outcomes = await asyncio.gather(
        *(enrolled.log_in(totp_code=code) for _ in range(3)), return_exceptions=True
    )
    assert sorted(isinstance(one, TotpWrong) for one in outcomes) == [False, True, True]


async def test_after_a_later_code_no_earlier_one_is_good(world, enrolled) -> None:
    await enrolled.log_in(totp_code=enrolled.code(1))
    with pytest.raises(TotpWrong):
        await enrolled.log_in(totp_code=enrolled.code(0))


async def test_the_code_that_confirmed_does_not_log_in(world, caller) -> None:
    made = await world.second_factor.enroll(caller, "users/me", PASSWORD)
    app = pyotp.TOTP(made.secret)
    code = app.at(world.clock.now())
    await world.second_factor.confirm(caller, "users/me", code)
    with pytest.raises(TotpWrong):
        await world.log_in.open(EMAIL, PASSWORD, "192.0.2.1", "tests", Proof(totp_code=code))


async def test_recovery_codes_are_good_once_each_however_they_are_typed(
    world, enrolled, caller
) -> None:
    assert len(set(enrolled.codes)) == 10
    assert all(re.fullmatch(r"([a-z0-9]{4}-){3}[a-z0-9]{4}", one) for one in enrolled.codes)
    typed = enrolled.codes[0].upper().replace("-", " ")
    await enrolled.log_in(recovery_code=typed)
    with pytest.raises(TotpWrong):
        await enrolled.log_in(recovery_code=enrolled.codes[0])
    await enrolled.log_in(recovery_code=enrolled.codes[1])
    _, found = await world.second_factor.read(caller, "users/me")
    assert found is not None
    assert found.recovery_codes_left == 8


async def test_wrong_codes_wait_longer_and_longer(world, enrolled) -> None:
    for _ in range(3):
        with pytest.raises(TotpWrong):
            await enrolled.log_in(totp_code="000000")
    waits = []
    for _ in range(4):
        with pytest.raises(TooManyRequests) as caught:
            await enrolled.log_in(totp_code=enrolled.code())
        waits.append(caught.value.retry_after)
        world.clock.advance(caught.value.retry_after)
        with pytest.raises(TotpWrong):
            await enrolled.log_in(recovery_code="nonsense")
    assert waits == [1.0, 2.0, 4.0, 8.0]
    world.clock.advance(16)
    assert await enrolled.log_in(totp_code=enrolled.code())


async def test_one_that_is_active_is_not_replaced(world, enrolled, caller) -> None:
    with pytest.raises(TotpEnrolled):
        await world.second_factor.enroll(caller, "users/me", PASSWORD)
    with pytest.raises(TotpEnrolled):
        await world.second_factor.confirm(caller, "users/me", enrolled.code())
    assert await enrolled.log_in(totp_code=enrolled.code())


async def test_enrolling_anew_replaces_what_was_not_confirmed(world, caller) -> None:
    first = await world.second_factor.enroll(caller, "users/me", PASSWORD)
    second = await world.second_factor.enroll(caller, "users/me", PASSWORD)
    with pytest.raises(TotpWrong):
        await world.second_factor.confirm(
            caller, "users/me", pyotp.TOTP(first.secret).at(world.clock.now())
        )
    assert await world.second_factor.confirm(
        caller, "users/me", pyotp.TOTP(second.secret).at(world.clock.now())
    )


async def test_of_two_who_confirm_at_once_one_gets_codes(world, caller) -> None:
    made = await world.second_factor.enroll(caller, "users/me", PASSWORD)
    code = pyotp.TOTP(made.secret).at(world.clock.now())
    outcomes = await asyncio.gather(
        *(world.second_factor.confirm(caller, "users/me", code) for _ in range(2)),
        return_exceptions=True,
    )
    assert sorted(isinstance(one, list) for one in outcomes) == [False, True]


async def test_enrolling_needs_the_password(world, caller) -> None:
    with pytest.raises(PasswordWrong):
        await world.second_factor.enroll(caller, "users/me", "not it at all")
    with pytest.raises(TotpNotEnrolled):
        await world.second_factor.confirm(caller, "users/me", "123456")


@pytest.mark.parametrize("by", ["password", "totp_code", "recovery_code"])
async def test_it_is_removed_for_the_password_or_a_code(world, enrolled, caller, by: str) -> None:
    right = {
        "password": PASSWORD,
        "totp_code": enrolled.code(),
        "recovery_code": enrolled.codes[3],
    }[by]
    for wrong in (Proof(), Proof(**{by: "000000"})):
        with pytest.raises((PasswordWrong, TotpWrong)):
            await world.second_factor.remove(caller, "users/me", wrong)
    await world.second_factor.remove(caller, "users/me", Proof(**{by: right}))
    assert await enrolled.log_in()
    assert (await world.second_factor.read(caller, "users/me"))[1] is None
    with pytest.raises(TotpNotEnrolled):
        await world.second_factor.remove(caller, "users/me", Proof(password=PASSWORD))


async def test_an_admin_removes_it_for_somebody_who_has_lost_everything(
    world, enrolled, caller, as_caller
) -> None:
    await world.person("grace@example.org")
    grace = as_caller(await world.logged_in("grace@example.org"))
    with pytest.raises(UserNotFound):
        await world.second_factor.remove(grace, caller.user, Proof(password=PASSWORD))
    await world.second_factor.remove(await world.admin(), caller.user, Proof())
    assert await enrolled.log_in()


async def test_nobody_enrolls_for_somebody_else(world, caller) -> None:
    root = await world.admin()
    with pytest.raises(UserNotFound):
        await world.second_factor.enroll(root, caller.user, PASSWORD)


async def test_a_reset_password_does_not_get_round_it(world, enrolled) -> None:
    from user_svc.domain.contact import email as by_email

    world.clock.advance(60)
    await world.reset.request(by_email(EMAIL), "192.0.2.1")
    [letter] = await world.mail()
    await world.reset.reset(by_email(EMAIL), letter.digits, "another fine one 77", "192.0.2.1")
    with pytest.raises(TotpRequired):
        await enrolled.log_in(password="another fine one 77")


@given(st.text(max_size=40))
def test_what_is_typed_as_a_recovery_code_breaks_nothing(text: str) -> None:
    assert len(recovery_digest("ada", text)) == 32


def test_recovery_codes_of_two_people_are_never_stored_alike() -> None:
    code = new_recovery_codes()[0]
    assert recovery_digest("ada", code) != recovery_digest("grace", code)
