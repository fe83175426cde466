"""Signing up, and showing that an address is one's own."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from chassis.clock import Clock
from chassis.limits import RateLimiter
from chassis.listing import Once
from user_svc.domain.account import Account, Fact, FactKind, State, email_key
from user_svc.domain.code import address_taken_letter, new_code
from user_svc.domain.faults import (
    AccountChanged,
    CodeSentRecently,
    CodeWrong,
    SignUpClosed,
    TooManyRequests,
)
from user_svc.domain.names import new_id
from user_svc.domain.password import check_strength, normalised
from user_svc.ports.accounts import (
    AccountStore,
    AddressTaken,
    AlreadyDone,
    Change,
    PasswordHasher,
    PhoneTaken,
)

_TRIES = 4
"""A lost race is tried again so often: with the address, the phone number, and twice the version."""

_ADDRESS_TAKEN_LIFETIME = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Who wants to sign up."""

    email: str
    password: str = field(repr=False)
    phone_number: str = ""
    given_name: str = ""
    family_name: str = ""


@dataclass(frozen=True, slots=True)
class SignUpRules:
    """How people sign up.

    Attributes:
        is_open: whether they can at all.
        code_lifetime: how long a one-time code can be used.
        code_pause: how long to wait between two codes for one address.
        address_burst, address_refill: sign-ups from one network address: so many at once, then one
            more each time.
        email_burst, email_refill: sign-ups with one e-mail address, whether or not it has an
            account: each sends a mail to it.
    """

    is_open: bool
    code_lifetime: timedelta
    code_pause: timedelta
    address_burst: int
    address_refill: timedelta
    email_burst: int
    email_refill: timedelta


class SignUp:
    """Makes accounts and verifies their addresses.

    What a caller sees never tells whether an address has an account: the answers are the same, a
    password is hashed and something is written in every case, and limits count addresses, not
    accounts. The owner of the address is told by mail.

    An account whose address was never verified belongs to nobody yet: signing up again starts it
    over with the new password and a new code. So whoever signs up with somebody else's address
    first gains nothing by it.
    """

    def __init__(
        self,
        accounts: AccountStore,
        *,
        hasher: PasswordHasher,
        limiter: RateLimiter,
        rules: SignUpRules,
        clock: Clock,
        letter_waits: Callable[[], None],
    ) -> None:
        """Takes what it needs; `letter_waits` is called when a letter was stored."""
        self._accounts = accounts
        self._hasher = hasher
        self._limiter = limiter
        self._rules = rules
        self._clock = clock
        self._letter_waits = letter_waits

    async def register(self, person: NewPerson, address: str, request_id: str) -> None:
        """Signs a person up, and has a one-time code sent.

        Args:
            person: who.
            address: the network address that they come from.
            request_id: the same one again has no second effect; may be empty.

        Raises:
            SignUpClosed: nobody can sign up here.
            PasswordTooWeak: the password is too easy to guess.
            TooManyRequests: from this network address, or with this e-mail address.
            Overloaded: too many passwords are being hashed.
        """
        if not self._rules.is_open:
            raise SignUpClosed("Nobody can sign up here; ask an admin for an account.")
        check_strength(person.password, person.email)
        key = email_key(person.email)
        await self._limit(
            f"sign-up from {address}", self._rules.address_burst, self._rules.address_refill
        )
        await self._limit(f"sign-up of {key}", self._rules.email_burst, self._rules.email_refill)
        # A code goes out now, so the next one has to wait, whoever asks for it.
        await self._limiter.take(f"code for {key}", 1, self._rules.code_pause.total_seconds())
        password_hash = await self._hasher.hash(normalised(person.password))
        # The password is left out: a fast hash of it must be stored nowhere.
        once = Once.of(
            "",
            "CreateUser",
            request_id,
            key,
            person.phone_number,
            person.given_name,
            person.family_name,
        )
        for _ in range(_TRIES):
            try:
                await self._register(person, password_hash, once)
            except AlreadyDone:
                return
            except PhoneTaken:
                # The number proves nothing until it is verified, so it must not keep anybody out,
                # nor tell whose it is: the account is made without it.
                person = replace(person, phone_number="")
            except (AddressTaken, AccountChanged):
                continue
            else:
                self._letter_waits()
                return
        raise TooManyRequests("Many sign up with this address at once; try again.", retry_after=1.0)

    async def send_code(self, email: str) -> None:
        """Has a new one-time code sent, if there is an account that needs one.

        Raises:
            CodeSentRecently: to this address, a moment ago.
        """
        pause = self._rules.code_pause.total_seconds()
        wait = await self._limiter.take(f"code for {email_key(email)}", 1, pause)
        if wait > 0:
            raise CodeSentRecently(
                f"A code was sent to this address less than {pause:.0f} seconds ago; wait, then ask "
                "again.",
                retry_after=wait,
            )
        account = await self._accounts.by_email(email)
        if account is not None and not account.verified and account.state is State.ACTIVE:
            code, letter = new_code(account.email, self._clock.now(), self._rules.code_lifetime)
            await self._accounts.replace_code(account.id, code, letter)
            self._letter_waits()

    async def verify(self, email: str, digits: str) -> None:
        """Shows by a one-time code that an address is the person's.

        Raises:
            CodeWrong: it is wrong, has ended, was used, or was tried too often; or there is no such
                account.
        """
        for _ in range(_TRIES):
            account = await self._accounts.by_email(email)
            now = self._clock.now()
            change = None
            if account is not None:
                verified = account.shown_to_be_theirs(now)
                change = Change(verified, [Fact(FactKind.VERIFIED, verified)])
            account_id = account.id if account else ""
            try:
                # In one step with the change, so that the code counts for the password that was
                # chosen with it, and for no other that came after.
                if await self._accounts.try_code(account_id, digits, now, change):
                    return
            except AccountChanged:
                continue
            break
        raise CodeWrong("This is not the code, or it has ended; ask for a new one.")

    async def _limit(self, key: str, burst: int, refill: timedelta) -> None:
        wait = await self._limiter.take(key, burst, refill.total_seconds())
        if wait > 0:
            raise TooManyRequests(
                "There were too many sign-ups from here or with this address; wait, then try again.",
                retry_after=wait,
            )

    async def _register(self, person: NewPerson, password_hash: str, once: Once | None) -> None:
        now = self._clock.now()
        known = await self._accounts.by_email(person.email)
        if known is None:
            account = Account(
                id=new_id(),
                uid=str(uuid.uuid4()),
                email=person.email,
                password_hash=password_hash,
                create_time=now,
                update_time=now,
                phone_number=person.phone_number,
                given_name=person.given_name,
                family_name=person.family_name,
            )
            code, letter = new_code(person.email, now, self._rules.code_lifetime)
            fact = Fact(FactKind.REGISTERED, account)
            await self._accounts.add(Change(account, [fact], code=code, letter=letter, once=once))
        elif known.verified or known.state is State.DISABLED:
            letter = address_taken_letter(known.email, now, _ADDRESS_TAKEN_LIFETIME)
            await self._accounts.send(letter, once, now)
        else:
            again = replace(
                known.with_password(password_hash, now),
                email=person.email,
                phone_number=person.phone_number,
                given_name=person.given_name,
                family_name=person.family_name,
            )
            code, letter = new_code(person.email, now, self._rules.code_lifetime)
            fact = Fact(FactKind.UPDATED, again)
            await self._accounts.save(Change(again, [fact], code=code, letter=letter, once=once))
