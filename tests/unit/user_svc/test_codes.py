"""One-time codes, in whatever order they are made, tried and let go stale."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chassis.clock import ManualClock
from chassis.identity import Vault
from chassis.sql import open_database
from user_svc.adapters.account_store.sql import SqlAccountStore
from user_svc.domain.account import Account
from user_svc.domain.code import MAX_ATTEMPTS, Addressee, Purpose, new_code
from user_svc.domain.contact import Contact, email, phone
from user_svc.domain.names import new_id
from user_svc.ports.accounts import Change
from user_svc.transport.mapping import user_records

LIFETIME = timedelta(minutes=10)
CONTACTS = [email("ada@example.org"), email("Ada@Example.org"), phone("+4930123456")]

purposes = st.sampled_from(Purpose)
contacts = st.sampled_from(CONTACTS)


@dataclass
class Known:
    """What a person who has read their mail knows of a code."""

    contact: Contact
    digits: str
    expire_time: datetime
    attempts: int = 0
    used: bool = False

    def is_alive(self, now: datetime) -> bool:
        """Whether it can still be used."""
        return not self.used and self.attempts < MAX_ATTEMPTS and now < self.expire_time


class Codes(RuleBasedStateMachine):
    """The store does what the rules of codes say: single use, five attempts, ten minutes, newest only."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.exits = AsyncExitStack()
        self.clock = ManualClock()
        self.folder = tempfile.TemporaryDirectory(prefix="allocator-")
        self.known: dict[Purpose, Known] = {}
        self.former = ["000000"]
        self.store, self.account = self.loop.run_until_complete(self.opened())

    async def opened(self) -> tuple[SqlAccountStore, Account]:
        """A store with one account in it."""
        url = f"sqlite:///{Path(self.folder.name)}/users.sqlite3"
        database = await open_database(url, "user_svc.schema", self.clock)
        self.exits.push_async_callback(database.close)
        store = SqlAccountStore(database, Vault(b"k" * 32), user_records, lambda: None)
        now = self.clock.now()
        account = Account(new_id(), str(uuid.uuid4()), "ada@example.org", "hash", now, now)
        await store.add(Change(account))
        return store, account

    def teardown(self) -> None:
        """Closes what was opened."""
        self.loop.run_until_complete(self.exits.aclose())
        self.loop.close()
        self.folder.cleanup()

    @rule(purpose=purposes, contact=contacts)
    def send(self, purpose: Purpose, contact: Contact) -> None:
        """A new code replaces the one of the same purpose."""
        now = self.clock.now()
        code, letter = new_code(Addressee(contact), purpose, now, LIFETIME)
        self.loop.run_until_complete(self.store.replace_code(self.account.id, code, letter))
        if purpose in self.known:
            self.former.append(self.known[purpose].digits)
        self.known[purpose] = Known(contact, letter.digits, now + LIFETIME)

    @rule(purpose=purposes, contact=contacts, which=st.sampled_from(["right", "other", "former"]))
    def use(self, purpose: Purpose, contact: Contact, which: str) -> None:
        """A code is good where all of it fits, and never again."""
        known = self.known.get(purpose)
        digits = self.former[-1]
        if which == "right" and known is not None:
            digits = known.digits
        elif which == "other":
            digits = next((k.digits for p, k in self.known.items() if p is not purpose), digits)
        now = self.clock.now()
        fits = self.tried(purpose, contact, digits, now)
        if known is None or not known.is_alive(now):
            assert not fits
            return
        known.attempts += 1
        assert fits == (known.contact.key == contact.key and known.digits == digits)
        known.used = fits

    @rule(purpose=purposes)
    def guess(self, purpose: Purpose) -> None:
        """Whoever guesses has five attempts."""
        known = self.known.get(purpose)
        if known is None:
            return
        wrong = f"{(int(known.digits) + 1) % 10**6:06d}"
        for _ in range(MAX_ATTEMPTS):
            assert not self.tried(purpose, known.contact, wrong, self.clock.now())
        if known.is_alive(self.clock.now()):
            known.attempts = MAX_ATTEMPTS

    @rule(seconds=st.sampled_from([1, 59, 300, 599, 600]))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.clock.advance(seconds)

    @invariant()
    def counts_are_those_of_the_store(self) -> None:
        """The store counts each attempt, and keeps no code that was used."""
        for purpose, known in self.known.items():
            code = self.loop.run_until_complete(self.store.code_of(self.account.id, purpose))
            if known.used:
                assert code is None
            else:
                assert code is not None
                assert code.attempts == known.attempts

    def tried(self, purpose: Purpose, contact: Contact, digits: str, now: datetime) -> bool:
        """Whether the store takes a code."""
        return self.loop.run_until_complete(
            self.store.try_code(self.account.id, purpose, contact, digits, now=now, change=None)
        )


TestCodes = Codes.TestCase
TestCodes.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
