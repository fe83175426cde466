"""Signing up, and showing that an address or a number is one's own."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from chassis.clock import Clock
from chassis.limits import RateLimiter
from chassis.listing import Once
from user_svc.domain.account import DEFAULT_LANGUAGE, Account, Fact, FactKind, State
from user_svc.domain.code import Addressee, Purpose, new_code
from user_svc.domain.contact import Contact, ContactKind
from user_svc.domain.faults import (
    AccountChanged,
    CodeWrong,
    InvitationInvalid,
    InvitationRequired,
    SignUpClosed,
    TooManyRequests,
)
from user_svc.domain.invitation import Use, digest_of
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
from user_svc.ports.invitations import InvitationStore
from user_svc.usecases.codes import NOBODY, Codes

_TRIES = 4
"""A lost race is tried again so often: with the address or number, and thrice the version."""


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Who wants to sign up.

    Attributes:
        verify_by: what they are to show to be theirs first.
        invitation_code: as they have written it; may be empty.
    """

    email: str
    password: str = field(repr=False)
    phone_number: str = ""
    given_name: str = ""
    family_name: str = ""
    language_code: str = ""
    verify_by: ContactKind = ContactKind.EMAIL
    invitation_code: str = field(default="", repr=False)

    @property
    def first_contact(self) -> Contact:
        """Where their code goes."""
        by_phone = self.verify_by is ContactKind.PHONE
        return Contact(self.verify_by, self.phone_number if by_phone else self.email)


class Mode(Enum):
    """Who can sign up."""

    OPEN = "open"
    INVITE = "invite"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class SignUpRules:
    """How people sign up.

    Attributes:
        mode: who can.
        address_burst, address_refill: sign-ups from one network address: so many at once, then one
            more each time.
        contact_burst, contact_refill: sign-ups with one e-mail address or phone number, whether or not
            it has an account: each sends a message to it.
    """

    mode: Mode
    address_burst: int
    address_refill: timedelta
    contact_burst: int
    contact_refill: timedelta


class SignUp:
    """Makes accounts and verifies what they were made with.

    What a caller sees never tells whether there is an account: the answers are the same, a password is
    hashed and something is written in every case, and limits count addresses, not accounts. The owner
    of a contact that has an account is told there.

    An account that was never verified belongs to nobody yet: signing up again starts it over with the
    new password and a new code. So whoever signs up with somebody else's address first gains nothing
    by it. And it claims nothing but the contact that its code goes to: the other one may be anybody's,
    so it neither keeps anybody out nor tells whose it is.

    Where an invitation is needed, each contact that signs up with it is a use of it, whether or not there
    is an account; the same contact again is none.
    """

    def __init__(
        self,
        accounts: AccountStore,
        codes: Codes,
        invitations: InvitationStore,
        *,
        hasher: PasswordHasher,
        limiter: RateLimiter,
        rules: SignUpRules,
        clock: Clock,
    ) -> None:
        """Takes what it needs."""
        self._accounts = accounts
        self._codes = codes
        self._invitations = invitations
        self._hasher = hasher
        self._limiter = limiter
        self._rules = rules
        self._clock = clock

    async def register(self, person: NewPerson, address: str, request_id: str) -> None:
        """Signs a person up, and has a one-time code sent.

        Args:
            person: who.
            address: the network address that they come from.
            request_id: the same one again has no second effect; may be empty.

        Raises:
            SignUpClosed: nobody can sign up here.
            InvitationRequired: people sign up by invitation.
            InvitationInvalid: not by this one, or not with this contact.
            PasswordTooWeak: the password is too easy to guess.
            TooManyRequests: from this network address, or with this e-mail address or phone number.
            Overloaded: too many passwords are being hashed.
        """
        if self._rules.mode is Mode.CLOSED:
            raise SignUpClosed("Nobody can sign up here; ask an admin for an account.")
        if self._rules.mode is Mode.INVITE and not person.invitation_code.strip():
            raise InvitationRequired("People sign up by invitation here; ask an admin for one.")
        check_strength(person.password, person.email)
        contact = person.first_contact
        await self._limit(
            f"sign-up from {address}", self._rules.address_burst, self._rules.address_refill
        )
        await self._limit(
            f"sign-up of {contact.key}", self._rules.contact_burst, self._rules.contact_refill
        )
        use = None
        if self._rules.mode is Mode.INVITE:
            use = Use(digest_of(person.invitation_code), contact)
            # A first look, before a message goes out and a password is hashed.
            if not await self._invitations.can_be_used(use, self._clock.now()):
                raise InvitationInvalid(
                    "There is no invitation with this code that you can sign up with: it has ended, was "
                    "used, or is for another address."
                )
        # A code goes out now, so the next one has to wait, whoever asks for it.
        await self._codes.take_turn(contact)
        password_hash = await self._hasher.hash(normalised(person.password))
        # The password is left out: a fast hash of it must be stored nowhere.
        once = Once.of(
            "",
            "CreateUser",
            request_id,
            contact.key,
            person.email,
            person.phone_number,
            person.given_name,
            person.family_name,
            person.language_code,
        )
        for _ in range(_TRIES):
            try:
                await self._register(person, password_hash, once, use)
            except AlreadyDone:
                return
            except (AddressTaken, PhoneTaken, AccountChanged):
                continue
            else:
                self._codes.letter_waits()
                return
        raise TooManyRequests("Many sign up with this address at once; try again.", retry_after=1.0)

    async def send_code(self, contact: Contact, address: str) -> None:
        """Has a new one-time code sent, if there is an account that needs one.

        Raises:
            TooManyRequests: many codes were asked for from this network address.
            CodeSentRecently: to this contact, a moment ago.
        """
        await self._codes.allow(contact, address)
        account = await self._accounts.by_contact(contact)
        if account is None or account.verified or account.state is not State.ACTIVE:
            await self._codes.send(NOBODY, Addressee(contact), Purpose.SIGN_UP)
            return
        to = Addressee(account.first_contact, language_code=account.language_code)
        await self._codes.send(account.id, to, Purpose.SIGN_UP)

    async def verify(self, contact: Contact, digits: str) -> None:
        """Shows by a one-time code that a contact is the person's.

        Raises:
            CodeWrong: it is wrong, has ended, was used, or was tried too often; or there is no such
                account.
        """
        for _ in range(_TRIES):
            account = await self._accounts.by_contact(contact)
            now = self._clock.now()
            change = None
            account_id = ""
            if account is not None and not account.verified:
                account_id = account.id
                verified = account.shown_to_be_theirs(now)
                change = Change(verified, [Fact(FactKind.VERIFIED, verified)])
            try:
                # In one step with the change, so that the code counts for the password that was
                # chosen with it, and for no other that came after.
                if await self._accounts.try_code(
                    account_id, Purpose.SIGN_UP, contact, digits, now=now, change=change
                ):
                    return
            except (AccountChanged, AddressTaken, PhoneTaken):
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

    async def _register(
        self, person: NewPerson, password_hash: str, once: Once | None, use: Use | None
    ) -> None:
        now = self._clock.now()
        contact = person.first_contact
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
            language_code=person.language_code or DEFAULT_LANGUAGE,
            signed_up_by=person.verify_by,
        )
        # To nobody in particular: it is not known whose contact it is.
        to = Addressee(contact, language_code=account.language_code)
        code, letter = new_code(to, Purpose.SIGN_UP, now, self._codes.rules.lifetime)
        known = await self._accounts.by_contact(contact)
        if known is None:
            fact = Fact(FactKind.REGISTERED, account)
            await self._accounts.add(
                Change(account, [fact], code=code, letter=letter, once=once, use=use)
            )
        elif known.verified or known.state is State.DISABLED:
            owner = Addressee(known.contact(contact.kind), known.name, known.language_code)
            await self._accounts.send(self._codes.taken(owner), once, now, use)
        else:
            again = known.started_over(account, now)
            fact = Fact(FactKind.UPDATED, again)
            await self._accounts.save(
                Change(again, [fact], code=code, letter=letter, once=once, use=use)
            )
