"""Invitations: who may sign up where that is not open to everybody."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from user_svc.domain.contact import Contact, ContactKind, email_key
from user_svc.domain.names import invitation_name, user_name

LONGEST = timedelta(days=365)
"""How long one lives at most."""

USUAL = timedelta(days=7)
"""How long one lives where nobody says."""

# Without letters and digits that look alike.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 4, 5
"""31 ** 20 is 99 bits: nobody guesses one, also who has the digests, however fast they hash."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation to sign up, without its code, which is kept nowhere.

    Attributes:
        id: 12 characters of `[a-z0-9]`.
        digest: SHA-256 of the code, in hexadecimal.
        user_id: of the admin who has made it.
        title: whom it is for, in the admin's words.
        email: the only address that can sign up with it; empty for any contact.
        max_uses: how many contacts can sign up with it.
        use_count: how many have.
    """

    id: str
    digest: str = field(repr=False)
    user_id: str
    create_time: datetime
    expire_time: datetime
    title: str = ""
    email: str = ""
    max_uses: int = 1
    use_count: int = 0

    @property
    def name(self) -> str:
        """The resource name, `invitations/{id}`."""
        return invitation_name(self.id)

    @property
    def creator(self) -> str:
        """The resource name of the admin who has made it."""
        return user_name(self.user_id)

    def is_for(self, contact: Contact, now: datetime) -> bool:
        """Whether it has not ended, and that contact may sign up with it if a use is left."""
        if now >= self.expire_time:
            return False
        # What is verified must be the address that was invited, and not a number beside it.
        invited = contact.kind is ContactKind.EMAIL and contact.key == email_key(self.email)
        return not self.email or invited


class InvitationFact(Enum):
    """What has happened to an invitation; the values are the names of the contract's messages."""

    CREATED = "InvitationCreated"
    DELETED = "InvitationDeleted"


@dataclass(frozen=True, slots=True)
class Use:
    """Somebody signs up with the code of an invitation.

    Attributes:
        digest: of the code.
        contact: what they sign up with.
    """

    digest: str = field(repr=False)
    contact: Contact = field(repr=False)

    @property
    def mark(self) -> str:
        """Stands for the contact among those that have used the invitation, and tells nobody which it is."""
        return hashlib.sha256(f"{self.digest}\n{self.contact.key}".encode()).hexdigest()


def new_code() -> str:
    """A new random code: four groups of five letters and digits."""
    return "-".join(
        "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS)
    )


def digest_of(code: str) -> str:
    """The digest of a code, however it is written: in capitals or not, with or without dashes."""
    plain = "".join(character for character in code.lower() if character.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()
