"""A person's account and how it changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from user_svc.domain.contact import Contact, ContactKind, email, phone
from user_svc.domain.names import user_name

_MILLISECOND = timedelta(milliseconds=1)

DEFAULT_LANGUAGE = "en"


class Role(Enum):
    """What a person may do beyond what everyone may; named as in the contract."""

    ADMIN = "ADMIN"


class State(Enum):
    """The life of an account; named as in the contract."""

    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"


class FactKind(Enum):
    """What can happen to an account."""

    REGISTERED = "REGISTERED"
    VERIFIED = "VERIFIED"
    UPDATED = "UPDATED"
    ROLES_CHANGED = "ROLES_CHANGED"
    DISABLED = "DISABLED"
    ENABLED = "ENABLED"
    CONTACT_CHANGED = "CONTACT_CHANGED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Account:
    """A person's account.

    Attributes:
        id: 12 characters of `[a-z0-9]`, never changed.
        uid: a UUID that is never used twice.
        email: the address as the person wrote it; it is theirs once it is verified.
        password_hash: how the password is known again; never leaves this service.
        create_time, update_time: UTC, in milliseconds.
        phone_number: E.164, or empty; theirs once it is verified.
        language_code: what they are written to in, BCP 47.
        email_verified, phone_verified: whether they have shown that it is theirs.
        signed_up_by: which of the two the account is known by until one is verified.
        disable_reason: why an admin has disabled it; empty while it is active.
        version: 1 at first, one more with each change.
    """

    id: str
    uid: str
    email: str
    password_hash: str
    create_time: datetime
    update_time: datetime
    phone_number: str = ""
    given_name: str = ""
    family_name: str = ""
    language_code: str = DEFAULT_LANGUAGE
    email_verified: bool = False
    phone_verified: bool = False
    signed_up_by: ContactKind = ContactKind.EMAIL
    roles: frozenset[Role] = frozenset()
    state: State = State.ACTIVE
    disable_reason: str = ""
    version: int = 1

    @property
    def name(self) -> str:
        """The resource name, `users/{id}`."""
        return user_name(self.id)

    @property
    def verified(self) -> bool:
        """Whether the person has shown that some contact is theirs."""
        return self.email_verified or self.phone_verified

    def contact(self, kind: ContactKind) -> Contact:
        """The contact of that kind; its value is empty where there is none."""
        return phone(self.phone_number) if kind is ContactKind.PHONE else email(self.email)

    @property
    def first_contact(self) -> Contact:
        """What the person has signed up with."""
        return self.contact(self.signed_up_by)

    def has_verified(self, kind: ContactKind) -> bool:
        """Whether the contact of that kind was shown to be the person's."""
        return self.email_verified if kind is ContactKind.EMAIL else self.phone_verified

    def claims(self, kind: ContactKind) -> bool:
        """Whether nobody else can have the contact of that kind.

        What is verified is the person's alone. What is not keeps nobody out: an account that was never
        verified has only what it was signed up with, and that only until somebody starts over.
        """
        return self.has_verified(kind) or (not self.verified and kind is self.signed_up_by)

    @property
    def is_active_admin(self) -> bool:
        """Whether the person can act as an admin now."""
        return Role.ADMIN in self.roles and self.state is State.ACTIVE

    def renamed(
        self, given_name: str, family_name: str, now: datetime, language_code: str = ""
    ) -> Account:
        """With other names, and another language where one is given."""
        return self._changed(
            now,
            given_name=given_name,
            family_name=family_name,
            language_code=language_code or self.language_code,
        )

    def with_password(self, password_hash: str, now: datetime) -> Account:
        """With another password."""
        return self._changed(now, password_hash=password_hash)

    def granted(self, role: Role, now: datetime) -> Account:
        """With a role more; the same account where the person has it already."""
        if role in self.roles:
            return self
        return self._changed(now, roles=self.roles | {role})

    def revoked(self, role: Role, now: datetime) -> Account:
        """With a role less; the same account where the person does not have it."""
        if role not in self.roles:
            return self
        return self._changed(now, roles=self.roles - {role})

    def disabled(self, now: datetime, reason: str = "") -> Account:
        """Not able to log in; the same account where it is so already, for the same reason."""
        if self.state is State.DISABLED and self.disable_reason == reason:
            return self
        return self._changed(now, state=State.DISABLED, disable_reason=reason)

    def enabled(self, now: datetime) -> Account:
        """Able to log in; the same account where it is so already."""
        if self.state is State.ACTIVE:
            return self
        return self._changed(now, state=State.ACTIVE, disable_reason="")

    def started_over(self, other: Account, now: datetime) -> Account:
        """As somebody else signs up with what was never verified: nothing of before but the name."""
        return self._changed(
            now,
            email=other.email,
            phone_number=other.phone_number,
            given_name=other.given_name,
            family_name=other.family_name,
            language_code=other.language_code,
            password_hash=other.password_hash,
            signed_up_by=other.signed_up_by,
        )

    def shown_to_be_theirs(self, now: datetime) -> Account:
        """Verified by what the person has signed up with."""
        if self.has_verified(self.signed_up_by):
            return self
        return self.with_contact(self.first_contact, now)

    def with_contact(self, contact: Contact, now: datetime) -> Account:
        """With a contact that the person has shown to be theirs, in place of the former one."""
        if contact.kind is ContactKind.EMAIL:
            return self._changed(now, email=contact.value, email_verified=True)
        return self._changed(now, phone_number=contact.value, phone_verified=True)

    def later(self, than: Account) -> Account:
        """Changed later than another state of the account, whose change revokes tokens of that one."""
        if self.update_time > than.update_time:
            return self
        return replace(self, update_time=than.update_time + _MILLISECOND)

    def _changed(self, now: datetime, **changes: object) -> Account:
        # Not before the last one, by whichever clock that was: access tokens are ordered by it.
        time = max(now, self.update_time)
        return replace(self, update_time=time, version=self.version + 1, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that has happened to an account, told to others once it is committed.

    Attributes:
        time: when; None for the time of the account's last change.
    """

    kind: FactKind
    account: Account
    time: datetime | None = None
