"""A person's account and how it changes."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from user_svc.domain.names import user_name

_MILLISECOND = timedelta(milliseconds=1)


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


@dataclass(frozen=True, slots=True)
class Account:
    """A person's account.

    Attributes:
        id: 12 characters of `[a-z0-9]`, never changed.
        uid: a UUID that is never used twice.
        email: the address as the person wrote it.
        password_hash: how the password is known again; never leaves this service.
        create_time, update_time: UTC, in milliseconds.
        phone_number: E.164, or empty.
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
    verified: bool = False
    roles: frozenset[Role] = frozenset()
    state: State = State.ACTIVE
    version: int = 1

    @property
    def name(self) -> str:
        """The resource name, `users/{id}`."""
        return user_name(self.id)

    @property
    def is_active_admin(self) -> bool:
        """Whether the person can act as an admin now."""
        return Role.ADMIN in self.roles and self.state is State.ACTIVE

    def renamed(self, given_name: str, family_name: str, now: datetime) -> Account:
        """With other names."""
        return self._changed(now, given_name=given_name, family_name=family_name)

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

    def disabled(self, now: datetime) -> Account:
        """Not able to log in; the same account where it is so already."""
        return self if self.state is State.DISABLED else self._changed(now, state=State.DISABLED)

    def enabled(self, now: datetime) -> Account:
        """Able to log in; the same account where it is so already."""
        return self if self.state is State.ACTIVE else self._changed(now, state=State.ACTIVE)

    def shown_to_be_theirs(self, now: datetime) -> Account:
        """Verified."""
        return self if self.verified else self._changed(now, verified=True)

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
    """Something that has happened to an account, told to others once it is committed."""

    kind: FactKind
    account: Account


def email_key(email: str) -> str:
    """The form of an address in which two spellings of one address are equal.

    NFKC and case folding of the whole address: RFC 5321 lets a mail server tell `Ada@` from `ada@`,
    none does, and a person who types the other one means the same account.
    """
    folded = unicodedata.normalize("NFKC", email).casefold()
    return unicodedata.normalize("NFKC", folded).strip()
