"""Logging in, staying logged in, logging out."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from user_svc.domain.faults import (
    CredentialsWrong,
    RefreshTokenInvalid,
    SessionNotFound,
    TooManyRequests,
    UserDisabled,
    UserNotVerified,
)
from user_svc.domain.session import (
    RefreshToken,
    Standing,
    open_session,
    read_token,
    standing,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
GRACE = timedelta(seconds=10)
DAY = timedelta(days=1)


async def test_the_tokens_of_a_log_in_are_good(world) -> None:
    account = await world.person()
    pair = await world.logged_in()
    assert pair.account == account
    assert pair.expire_time == world.clock.now() + timedelta(minutes=15)
    assert read_token(pair.refresh_token).session_id == pair.session.id


async def test_others_verify_an_access_token_by_themselves(world, trusting) -> None:
    # The chassis looks at the real time, so the clock of this world is set to it.
    world.clock.advance((datetime.now(UTC) - world.clock.now()).total_seconds())
    account = await world.person()
    pair = await world.logged_in()
    trust = await trusting()
    caller = trust.verify(pair.access_token)
    assert caller.user == account.name
    assert caller.session == pair.session.name
    assert caller.verified
    assert not caller.is_admin


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ada@example.org", "a wrong password"),
        ("nobody@example.org", "a fine long password"),
        ("", "x"),
    ],
)
async def test_wrong_credentials_all_look_the_same(world, email: str, password: str) -> None:
    await world.person()
    with pytest.raises(CredentialsWrong) as refused:
        await world.logged_in(email, password)
    assert refused.value.message == "The address or the password is wrong."


async def test_only_the_right_password_tells_that_an_account_is_not_verified(world) -> None:
    await world.registered()
    with pytest.raises(CredentialsWrong):
        await world.logged_in(password="a wrong password")
    with pytest.raises(UserNotVerified):
        await world.logged_in()


async def test_wrong_passwords_make_an_account_wait_longer_and_longer(world) -> None:
    await world.person()
    for _ in range(3):
        with pytest.raises(CredentialsWrong):
            await world.logged_in(password="a wrong password")
    for expected in (1, 2, 4, 8):
        with pytest.raises(TooManyRequests) as refused:
            await world.logged_in()
        assert refused.value.retry_after == pytest.approx(expected)
        world.clock.advance(expected)
        with pytest.raises(CredentialsWrong):
            await world.logged_in(password="a wrong password")
    world.clock.advance(16)
    assert await world.logged_in()
    # The right one has made up for all of them.
    for _ in range(3):
        with pytest.raises(CredentialsWrong):
            await world.logged_in(password="a wrong password")


async def test_guesses_at_the_same_moment_do_not_slip_through_together(world) -> None:
    await world.person()
    outcomes = await asyncio.gather(
        *(world.logged_in(password=f"a wrong password {n}") for n in range(8)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, CredentialsWrong) for one in outcomes) == 3
    assert sum(isinstance(one, TooManyRequests) for one in outcomes) == 5


async def test_wrong_passwords_make_a_network_address_wait_whatever_the_account(world) -> None:
    await world.person()
    for n in range(20):
        with pytest.raises(CredentialsWrong):
            await world.log_in.open(f"p{n}@example.org", "x", "192.0.2.66", "")
    with pytest.raises(TooManyRequests):
        await world.log_in.open("ada@example.org", "a fine long password", "192.0.2.66", "")
    assert await world.logged_in()


async def test_a_refresh_token_gives_the_next_pair(world) -> None:
    await world.person()
    pair = await world.logged_in()
    world.clock.advance(900)
    later = await world.log_in.refresh(pair.refresh_token)
    assert later.session.id == pair.session.id
    assert later.refresh_token != pair.refresh_token
    assert later.access_token != pair.access_token
    world.clock.advance(900)
    assert await world.log_in.refresh(later.refresh_token)


async def test_a_session_slides_and_lapses(world) -> None:
    await world.person()
    token = (await world.logged_in()).refresh_token
    for _ in range(3):
        world.clock.advance(29 * 86400)
        token = (await world.log_in.refresh(token)).refresh_token
    world.clock.advance(30 * 86400)
    with pytest.raises(RefreshTokenInvalid):
        await world.log_in.refresh(token)


async def test_a_used_refresh_token_ends_the_session_for_thief_and_owner(world) -> None:
    await world.person()
    stolen = (await world.logged_in()).refresh_token
    owners = (await world.log_in.refresh(stolen)).refresh_token
    world.clock.advance(11)
    with pytest.raises(RefreshTokenInvalid, match="used before"):
        await world.log_in.refresh(stolen)
    with pytest.raises(RefreshTokenInvalid):
        await world.log_in.refresh(owners)


async def test_two_tabs_at_once_get_the_same_next_token(world) -> None:
    await world.person()
    token = (await world.logged_in()).refresh_token
    pairs = await asyncio.gather(*(world.log_in.refresh(token) for _ in range(5)))
    assert len({pair.refresh_token for pair in pairs}) == 1
    world.clock.advance(9)
    again = await world.log_in.refresh(token)
    assert again.refresh_token == pairs[0].refresh_token
    world.clock.advance(900)
    assert await world.log_in.refresh(again.refresh_token)


async def test_knowing_the_name_of_a_session_is_not_enough_to_end_it(world) -> None:
    await world.person()
    pair = await world.logged_in()
    forged = RefreshToken(pair.session.id, b"f" * 16, b"t" * 32).text()
    with pytest.raises(RefreshTokenInvalid):
        await world.log_in.refresh(forged)
    assert await world.log_in.refresh(pair.refresh_token)


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "x" * 200, "é.é.é", "\x00.\x00.\x00"])
async def test_what_is_no_refresh_token_is_refused(world, text: str) -> None:
    with pytest.raises(RefreshTokenInvalid):
        await world.log_in.refresh(text)


async def test_logging_out_ends_one_session_or_all(world, as_caller) -> None:
    await world.person()
    first, second, third = [await world.logged_in() for _ in range(3)]
    caller = as_caller(first)
    await world.log_in.end(caller, second.session.id)
    with pytest.raises(RefreshTokenInvalid):
        await world.log_in.refresh(second.refresh_token)
    with pytest.raises(SessionNotFound):
        await world.log_in.end(caller, second.session.id)
    await world.log_in.end(caller, "")
    for pair in (first, third):
        with pytest.raises(RefreshTokenInvalid):
            await world.log_in.refresh(pair.refresh_token)
    # To log out of everything where nothing is open is no failure.
    await world.log_in.end(caller, "")


async def test_nobody_ends_somebody_elses_session(world, as_caller) -> None:
    await world.person("ada@example.org")
    await world.person("eve@example.org")
    adas, eves = await world.logged_in("ada@example.org"), await world.logged_in("eve@example.org")
    with pytest.raises(SessionNotFound):
        await world.log_in.end(as_caller(eves), adas.session.id)
    assert await world.log_in.list_open(as_caller(adas), None, 9) == [adas.session]


async def test_a_logged_out_token_is_refused_everywhere(world, trusting, as_caller) -> None:
    world.clock.advance((datetime.now(UTC) - world.clock.now()).total_seconds())
    await world.person()
    gone, stays = await world.logged_in(), await world.logged_in()
    await world.log_in.end(as_caller(gone), gone.session.id)
    trust = await trusting()
    with pytest.raises(Exception, match="ended") as refused:
        trust.verify(gone.access_token)
    assert refused.value.reason == "TOKEN_REVOKED"
    assert trust.verify(stays.access_token)


async def test_a_disabled_person_neither_logs_in_nor_refreshes(world) -> None:
    account = await world.person()
    pair = await world.logged_in()
    admin = await world.admin()
    await world.keeping.disable(admin, account.name)
    with pytest.raises(UserDisabled):
        await world.logged_in()
    with pytest.raises(UserDisabled):
        await world.log_in.refresh(pair.refresh_token)
    await world.keeping.enable(admin, account.name)
    # What was open has ended for good.
    with pytest.raises(RefreshTokenInvalid):
        await world.log_in.refresh(pair.refresh_token)
    assert await world.logged_in()


@given(st.lists(st.tuples(st.sampled_from(["owner", "thief"]), st.integers(0, 30)), max_size=12))
def test_two_holders_of_one_token_never_both_stay_in(moves: list[tuple[str, int]]) -> None:
    """Whoever copies a token: once both have used theirs, apart from the grace, the session ends."""
    session, first = open_session("ada", NOW, DAY, "", "")
    held = {"owner": first, "thief": first}
    now = NOW
    ended = False
    for who, seconds in moves:
        now += timedelta(seconds=seconds)
        match standing(session, held[who], now, GRACE):
            case Standing.PRESENT:
                held[who], session = (
                    session.next_token(held[who]),
                    session.rotated(held[who], now, DAY),
                )
            case Standing.JUST_USED:
                held[who] = session.next_token(held[who])
            case Standing.USED:
                ended = True
                break
            case Standing.STRANGE:
                raise AssertionError("both are ours")
    if not ended and held["owner"] != held["thief"]:
        # At most one of them can go on once the grace is over.
        later = now + GRACE + timedelta(seconds=1)
        standings = [standing(session, token, later, GRACE) for token in held.values()]
        assert standings.count(Standing.PRESENT) <= 1
        assert Standing.JUST_USED not in standings


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32))
def test_a_refresh_token_is_read_as_it_was_written(family: bytes, turn: bytes) -> None:
    token = RefreshToken("abc123", family, turn)
    assert read_token(token.text()) == token
    assert len(token.text()) <= 200


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    token = read_token(text)
    assert token is None or (len(token.family), len(token.turn)) == (16, 32)
