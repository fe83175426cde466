"""Whatever is done in whatever order: a model of sessions, and the real thing beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import pyotp
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)

from chassis.clock import ManualClock
from chassis.faults import Fault
from chassis.identity import Caller, Vault
from chassis.limits import Delays, MemoryFailureDelays
from chassis.sql import Database, open_database
from user_svc.adapters.account_store.sql import SqlAccountStore
from user_svc.adapters.authenticator.pyotp import PyotpAuthenticator
from user_svc.adapters.session_store.sql import SqlSessionStore
from user_svc.adapters.token_signer.joserfc import JoseTokenSigner
from user_svc.adapters.totp_store.sql import SqlTotpStore
from user_svc.domain.account import Account
from user_svc.ports.accounts import Change
from user_svc.usecases.log_in import LogIn, SessionRules
from user_svc.usecases.password_proof import PasswordProof
from user_svc.usecases.second_factor import Proof, SecondFactor

PASSWORD = "a fine long password"
GRACE, LIFETIME, MOST = 10, 30 * 86400, 3
T = TypeVar("T")


@dataclass
class Place:
    """A database for all examples, each of which has an account of its own in it."""

    runner: asyncio.Runner
    database: Database
    accounts: int = 0


PLACES: list[Place] = []


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Opens it once: its migrations take longer than an example."""
    url = f"sqlite:///{tmp_path_factory.mktemp('sessions')}/users.sqlite3"
    with asyncio.Runner() as runner:
        database = runner.run(open_database(url, "user_svc.schema", ManualClock()))
        PLACES.append(Place(runner, database))
        yield
        PLACES.clear()
        runner.run(database.close())


class PlainHasher:
    """Compares passwords as they are: what argon2 does is not what is looked at here."""

    async def hash(self, password: str) -> str:
        return password

    async def fits(self, password_hash: str, password: str) -> bool:
        return password_hash == password


@dataclass
class Model:
    """What a session is to be.

    Attributes:
        tokens: the refresh tokens that were given, oldest first; the last one is the present one.
        used: when it was last refreshed.
    """

    id: str
    tokens: list[str]
    used: float
    is_open: bool = True


class Sessions(RuleBasedStateMachine):
    """Opens, refreshes, uses again, ends, waits; with and without a second factor."""

    given = Bundle("given")

    def __init__(self) -> None:
        super().__init__()
        self.place = PLACES[0]
        self.place.accounts += 1
        self.user_id = f"ada{self.place.accounts}"
        self.email = f"{self.user_id}@example.org"
        self.models: dict[str, Model] = {}
        self.app: pyotp.TOTP | None = None
        self.recovery: list[str] = []
        self.last_step = 0
        self.run(self.make())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs something to its end."""
        return self.place.runner.run(work)

    async def make(self) -> None:
        """One account, and what it logs in with."""
        self.clock = ManualClock()
        database, vault = self.place.database, Vault(b"k" * 32)
        accounts = SqlAccountStore(database, vault, lambda fact: [], lambda: None)
        signer = JoseTokenSigner()
        key = signer.new_key(self.clock.now())
        delays = Delays(10_000, 1.0, 60.0)
        failures = MemoryFailureDelays(self.clock)
        hasher = PlainHasher()
        self.factor = SecondFactor(
            accounts,
            SqlTotpStore(database, vault),
            authenticator=PyotpAuthenticator(),
            password=PasswordProof(hasher, failures, delays),
            failures=failures,
            delays=delays,
            clock=self.clock,
        )
        self.log_in = LogIn(
            accounts,
            SqlSessionStore(database, vault, lambda session: [], lambda: None),
            hasher=hasher,
            signer=signer,
            signing_key=lambda: key,
            second_factor=self.factor,
            failures=failures,
            rules=SessionRules(
                token_lifetime=timedelta(minutes=15),
                lifetime=timedelta(seconds=LIFETIME),
                grace=timedelta(seconds=GRACE),
                skew=timedelta(minutes=1),
                most=MOST,
                account_delays=delays,
                address_delays=delays,
            ),
            clock=self.clock,
            revoked=lambda: None,
        )
        now = self.clock.now()
        account = Account(
            self.user_id, self.user_id, self.email, PASSWORD, now, now, email_verified=True
        )
        await accounts.add(Change(account))
        self.me = Caller(user=account.name)

    def tried(self, work: Coroutine[Any, Any, T]) -> T | str:
        """What comes of it; the reason where it is refused."""
        try:
            return self.run(work)
        except Fault as fault:
            return fault.reason

    @property
    def now(self) -> float:
        """Seconds that have passed."""
        return self.clock.monotonic()

    def live(self, model: Model) -> bool:
        """Whether a session can be used."""
        return model.is_open and self.now < model.used + LIFETIME

    def code(self, offset: int) -> tuple[int, str]:
        """A time step near the present one, and its code."""
        assert self.app is not None
        step = self.app.timecode(self.clock.now()) + offset
        return step, self.app.generate_otp(step)

    def opened(self, proof: Proof) -> Any:
        """Logs in; the oldest sessions end where there are too many."""
        pair = self.tried(self.log_in.open(self.email, PASSWORD, "192.0.2.1", "tests", proof))
        if isinstance(pair, str):
            return pair
        model = Model(pair.session.id, [pair.refresh_token], self.now)
        self.models[model.id] = model
        lives = [one for one in self.models.values() if self.live(one)]
        for one in lives[:-MOST]:
            one.is_open = False
        # So that it is known which is the oldest.
        self.clock.advance(1)
        return pair.refresh_token

    @rule(target=given)
    def log_in_with_the_password(self) -> Any:
        found = self.opened(Proof())
        if self.app is not None:
            assert found == "TOTP_REQUIRED"
            return multiple()
        return found

    @rule(wrong=st.sampled_from(["", "A fine long password", PASSWORD + " "]))
    def a_wrong_password_opens_nothing_whatever_else_is_right(self, wrong: str) -> None:
        proof = Proof(totp_code=self.code(0)[1]) if self.app else Proof()
        found = self.tried(self.log_in.open(self.email, wrong, "192.0.2.1", "tests", proof))
        assert found == "CREDENTIALS_WRONG"

    @precondition(lambda self: self.app is not None)
    @rule(target=given, offset=st.integers(-3, 3))
    def log_in_with_a_code(self, offset: int) -> Any:
        step, code = self.code(offset)
        near = [self.code(one)[0] for one in (-1, 0, 1) if self.code(one)[1] == code]
        found = self.opened(Proof(totp_code=code))
        if abs(offset) <= 1 and step > self.last_step:
            assert not found.startswith("TOTP"), found
            self.last_step = step
            return found
        # By chance the digits may be those of another step that is near; then it counts as that one.
        if found == "TOTP_WRONG":
            return multiple()
        assert near
        self.last_step = max(near)
        return found

    @precondition(lambda self: bool(self.recovery))
    @rule(target=given, again=st.booleans())
    def log_in_with_a_recovery_code(self, again: bool) -> Any:
        code = self.recovery.pop()
        found = self.opened(Proof(recovery_code=code))
        assert not found.startswith("TOTP"), found
        if again:
            assert self.opened(Proof(recovery_code=code)) == "TOTP_WRONG"
        return found

    @precondition(lambda self: self.app is None)
    @rule()
    def begin_to_use_a_second_factor(self) -> None:
        made = self.run(self.factor.enroll(self.me, "users/me", PASSWORD))
        self.app = pyotp.TOTP(made.secret)
        step, code = self.code(0)
        self.recovery = self.run(self.factor.confirm(self.me, "users/me", code))
        self.last_step = step

    @precondition(lambda self: self.app is not None)
    @rule()
    def remove_the_second_factor(self) -> None:
        self.run(self.factor.remove(self.me, "users/me", Proof(password=PASSWORD)))
        self.app, self.recovery = None, []

    @rule(target=given, token=given)
    def refresh(self, token: str) -> Any:
        model = self.models[token.partition(".")[0]]
        place = model.tokens.index(token)
        found = self.tried(self.log_in.refresh(token))
        if not self.live(model):
            assert found == "REFRESH_TOKEN_INVALID"
            return multiple()
        is_present = place == len(model.tokens) - 1
        was_just_used = place == len(model.tokens) - 2 and self.now - model.used <= GRACE
        if not is_present and not was_just_used:
            assert found == "REFRESH_TOKEN_INVALID"
            model.is_open = False
            return multiple()
        assert not isinstance(found, str), found
        if is_present:
            model.tokens.append(found.refresh_token)
            model.used = self.now
            return found.refresh_token
        assert found.refresh_token == model.tokens[-1]
        return multiple()

    @rule(token=given, place=st.integers(0, 200))
    def a_token_that_was_never_ours_changes_nothing(self, token: str, place: int) -> None:
        session, family, turn = token.split(".")
        flipped = "A" if family[place % (len(family) - 1)] != "A" else "B"
        at = place % (len(family) - 1)
        forged = f"{session}.{family[:at]}{flipped}{family[at + 1 :]}.{turn}"
        assert self.tried(self.log_in.refresh(forged)) == "REFRESH_TOKEN_INVALID"

    @rule(token=consumes(given))
    def log_out(self, token: str) -> None:
        model = self.models[token.partition(".")[0]]
        found = self.tried(self.log_in.end(self.me, model.id))
        assert found == (None if self.live(model) else "SESSION_NOT_FOUND")
        model.is_open = False

    @rule()
    def log_out_everywhere(self) -> None:
        assert self.tried(self.log_in.end(self.me, "")) is None
        for model in self.models.values():
            model.is_open = False

    @rule(seconds=st.sampled_from([1, GRACE, GRACE + 1, 31, 3600, LIFETIME - 1, LIFETIME]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @invariant()
    def those_that_are_open_are_listed_and_no_others(self) -> None:
        listed = self.run(self.log_in.list_open(self.me, None, 100))
        assert {one.id for one in listed} == {
            model.id for model in self.models.values() if self.live(model)
        }


Sessions.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestSessions = Sessions.TestCase
