"""Four machines whose clocks differ by up to two minutes: no token is good that must not be."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta

import pytest

from chassis.clock import ManualClock
from chassis.faults import Unauthenticated
from chassis.identity import (
    CLOCK_SKEW_SECONDS,
    Caller,
    Revocation,
    ServiceTokens,
    Trust,
    TrustUpdate,
)
from user_svc.composition import _KEY_NOTICE, _SKEW
from user_svc.domain.account import Role
from user_svc.domain.trust import KeyPlan
from user_svc.usecases.accounts import Accounts
from user_svc.usecases.log_in import LogIn, SessionRules
from user_svc.usecases.password_proof import PasswordProof
from user_svc.usecases.trust_feed import FeedPace, TrustFeed

LIFETIME = timedelta(minutes=15)
HALF = CLOCK_SKEW_SECONDS / 2
ALL = list(itertools.product((-HALF, HALF), repeat=4))


class Replica:
    """user_svc on a machine of its own, over the store that all share."""

    def __init__(self, world, offset: float) -> None:
        self.clock = ManualClock(world.clock.now() + timedelta(seconds=offset))
        plan = KeyPlan(timedelta(days=90), _KEY_NOTICE, LIFETIME)
        self.feed = TrustFeed(
            world.trust_store,
            world.signer,
            plan=plan,
            pace=FeedPace(timedelta(seconds=2), _SKEW, timedelta(seconds=5)),
            clock=self.clock,
            stopping=asyncio.Event(),
            failed=lambda fault: None,
        )
        rules: SessionRules = replace(
            world.log_in._rules, skew=_SKEW, token_lifetime=LIFETIME, most=1000
        )
        self.log_in = LogIn(
            world.accounts,
            world.sessions,
            hasher=world.hasher,
            signer=world.signer,
            signing_key=self.feed.signing_key,
            second_factor=world.second_factor,
            failures=world.log_in._failures,
            rules=rules,
            clock=self.clock,
            revoked=lambda: None,
        )
        self.keeping = Accounts(
            world.accounts,
            hasher=world.hasher,
            proof=PasswordProof(world.hasher, world.log_in._failures, rules.account_delays),
            admin_file=world.admin_file,
            rules=rules,
            clock=self.clock,
            revoked=lambda: None,
        )


class Machines:
    """One that makes tokens, one that revokes them, one that tells of it, one that checks them."""

    def __init__(self, world, offsets: tuple[float, float, float, float]) -> None:
        self.issuer, self.revoker, self.teller = (Replica(world, one) for one in offsets[:3])
        self.checker = ManualClock(world.clock.now() + timedelta(seconds=offsets[3]))

    async def refresh(self) -> None:
        for replica in (self.issuer, self.revoker, self.teller):
            await replica.feed.refresh()

    def advance(self, seconds: float) -> None:
        for one in (self.issuer, self.revoker, self.teller):
            one.clock.advance(seconds)
        self.checker.advance(seconds)

    async def new_trust(self) -> Trust:
        """What a service knows that has just started."""
        await self.teller.feed.refresh()
        trust = Trust(
            ServiceTokens(b"s" * 32),
            leeway=CLOCK_SKEW_SECONDS,
            clock=lambda: self.checker.now().timestamp(),
        )
        async with aclosing(self.teller.feed.watch()) as watching:
            change = await anext(watching)
        trust.learn(
            TrustUpdate(
                {key.id: key.public_key for key in change.keys},
                [
                    Revocation(
                        one.user,
                        one.session,
                        one.issued_before.timestamp(),
                        one.expire_time.timestamp(),
                    )
                    for one in change.revocations
                ],
            )
        )
        return trust

    async def says(self, token: str) -> str:
        """Why the token is refused; empty where it is good."""
        try:
            (await self.new_trust()).verify(token)
        except Unauthenticated as fault:
            return fault.reason
        return ""


@pytest.mark.parametrize("offsets", ALL)
async def test_what_was_revoked_is_never_good_again(world, offsets) -> None:
    machines = Machines(world, offsets)
    await machines.refresh()
    admin, person = await world.admin(), await world.person()
    password = "a fine long password"
    before = await machines.issuer.log_in.open(person.email, password, "192.0.2.1", "tests")
    other = await machines.issuer.log_in.open(person.email, password, "192.0.2.1", "tests")
    assert await machines.says(before.access_token) == ""

    # The role changes at the very moment at which the tokens were made.
    await machines.revoker.keeping.grant(admin, person.name, Role.ADMIN)
    after = await machines.issuer.log_in.refresh(before.refresh_token)
    assert await machines.says(before.access_token) == "TOKEN_REVOKED"
    assert await machines.says(after.access_token) == ""

    # And once more, before any clock has moved on.
    await machines.revoker.keeping.revoke(admin, person.name, Role.ADMIN)
    again = await machines.issuer.log_in.refresh(after.refresh_token)
    assert await machines.says(after.access_token) == "TOKEN_REVOKED"
    assert await machines.says(again.access_token) == ""

    # One session ends; the other goes on until its token ends, and no longer than it must.
    await machines.revoker.log_in.end(world_caller(other), other.session.id)
    refused = {before.access_token, after.access_token, other.access_token}
    good = 0.0
    for second in range(0, 2400, 60):
        for token in refused:
            assert await machines.says(token) in {"TOKEN_REVOKED", "TOKEN_EXPIRED"}, second
        if await machines.says(again.access_token) == "":
            good = float(second)
        machines.advance(60)
        if second % 240 == 0:
            await machines.teller.feed.sweep()
    lived = LIFETIME.total_seconds()
    assert lived - 60 <= good <= lived + 2 * CLOCK_SKEW_SECONDS


def world_caller(pair) -> Caller:
    return Caller(user=pair.account.name, session=pair.session.name, verified=True)


@pytest.mark.parametrize("offsets", ALL)
async def test_every_key_is_known_for_as_long_as_its_tokens_live(world, offsets) -> None:
    machines = Machines(world, offsets)
    await machines.refresh()
    person = await world.person()
    machines.advance(90 * 86400 - 90)
    tokens: list[tuple[float, str]] = []
    for second in range(0, 3600, 60):
        machines.advance(60)
        # Only the issuer makes keys here, so that the teller learns of them by the store.
        await machines.issuer.feed.refresh()
        trust = await machines.new_trust()
        pair = await machines.issuer.log_in.open(
            person.email, "a fine long password", "192.0.2.1", "tests"
        )
        tokens.append((second, pair.access_token))
        tokens = [one for one in tokens if second - one[0] < LIFETIME.total_seconds()]
        for made, token in tokens:
            assert trust.verify(token).user == person.name, (second, made)
