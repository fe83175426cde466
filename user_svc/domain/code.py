"""One-time codes, and the letters that carry them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from user_svc.domain.contact import Contact, ContactKind

MAX_ATTEMPTS = 5
"""Of a million codes: a guesser who asks for a new code each minute needs most of a year."""

_DIGITS = 6
_SALT_BYTES = 16


class Purpose(Enum):
    """What a code is for: it counts for nothing else."""

    SIGN_UP = "SIGN_UP"
    NEW_CONTACT = "NEW_CONTACT"
    PASSWORD_RESET = "PASSWORD_RESET"  # noqa: S105 - the name of a purpose


@dataclass(frozen=True, slots=True)
class Code:
    """A one-time code as it is stored: who reads the store does not see it.

    A person has one code of each purpose at most; the next one replaces it.

    Attributes:
        purpose: what it is for.
        contact: what it was sent to, and so what it shows to be the person's.
        salt: 16 random bytes.
        digest: SHA-256 of the salt and the digits.
        send_time: when it was made.
        expire_time: from then on it is refused.
        attempts: how often somebody has tried it.
    """

    purpose: Purpose
    contact: Contact
    salt: bytes
    digest: bytes
    send_time: datetime
    expire_time: datetime
    attempts: int = 0

    def fits(self, digits: str) -> bool:
        """Whether these are the digits; the time that it takes does not tell how many are right."""
        return hmac.compare_digest(self.digest, _digest(self.salt, digits))

    def can_be_tried(self, now: datetime) -> bool:
        """Whether it has neither ended nor been tried too often."""
        return now < self.expire_time and self.attempts < MAX_ATTEMPTS


class LetterKind(Enum):
    """What a letter says."""

    VERIFICATION_CODE = "VERIFICATION_CODE"
    ADDRESS_TAKEN = "ADDRESS_TAKEN"
    ADDRESS_CHANGED = "ADDRESS_CHANGED"
    INVITATION = "INVITATION"


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom a letter is for.

    Attributes:
        contact: where to.
        user: the resource name of the person; empty where it is not known to be theirs.
        language_code: what to write in, BCP 47.
    """

    contact: Contact
    user: str = ""
    language_code: str = "en"


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that waits to be handed to notifier; it is committed with what it tells about.

    Attributes:
        delivery_id: a UUID, so that handing it over twice delivers once.
        to: whom it is for.
        expire_time: from then on it need not be delivered.
        digits: the code, for a letter that carries one, of an invitation also letters; sealed at rest
            and never logged.
        purpose: what that code is for.
        new_contact: for a letter to the former contact: the new one, masked.
    """

    delivery_id: str
    to: Addressee
    kind: LetterKind
    expire_time: datetime
    digits: str = field(default="", repr=False)
    purpose: Purpose = Purpose.SIGN_UP
    new_contact: str = ""

    @property
    def email(self) -> str:
        """The address, for a letter by e-mail; else empty."""
        contact = self.to.contact
        return contact.value if contact.kind is ContactKind.EMAIL else ""

    @property
    def phone_number(self) -> str:
        """The number, for a letter by SMS; else empty."""
        contact = self.to.contact
        return contact.value if contact.kind is ContactKind.PHONE else ""


def new_code(
    to: Addressee, purpose: Purpose, now: datetime, lifetime: timedelta
) -> tuple[Code, Letter]:
    """A new random code, and the letter that brings it."""
    digits = f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}d}"
    salt = secrets.token_bytes(_SALT_BYTES)
    code = Code(purpose, to.contact, salt, _digest(salt, digits), now, now + lifetime)
    letter = Letter(
        str(uuid.uuid4()), to, LetterKind.VERIFICATION_CODE, code.expire_time, digits, purpose
    )
    return code, letter


def address_taken_letter(to: Addressee, now: datetime, lifetime: timedelta) -> Letter:
    """Tells the owner of a contact that somebody tried to have an account with it."""
    return Letter(str(uuid.uuid4()), to, LetterKind.ADDRESS_TAKEN, now + lifetime)


def address_changed_letter(
    to: Addressee, new: Contact, now: datetime, lifetime: timedelta
) -> Letter:
    """Tells the former contact of an account that there is another one now."""
    expires = now + lifetime
    kind = LetterKind.ADDRESS_CHANGED
    return Letter(str(uuid.uuid4()), to, kind, expires, new_contact=new.masked)


def invitation_letter(to: Addressee, code: str, expire_time: datetime) -> Letter:
    """Brings somebody the code of an invitation."""
    return Letter(str(uuid.uuid4()), to, LetterKind.INVITATION, expire_time, code)


def _digest(salt: bytes, digits: str) -> bytes:
    return hashlib.sha256(salt + digits.encode()).digest()
