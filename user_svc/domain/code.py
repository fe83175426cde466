"""One-time codes, and the letters that carry them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

MAX_ATTEMPTS = 5
"""Of a million codes: a guesser who asks for a new code each minute needs most of a year."""

_DIGITS = 6
_SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Code:
    """A one-time code as it is stored: who reads the store does not see it.

    Attributes:
        salt: 16 random bytes.
        digest: SHA-256 of the salt and the digits.
        send_time: when it was made.
        expire_time: from then on it is refused.
        attempts: how often somebody has tried it.
    """

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


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that waits to be handed to notifier; it is committed with what it tells about.

    Attributes:
        delivery_id: a UUID, so that handing it over twice delivers once.
        email: where to.
        digits: the code, for a letter that carries one; sealed at rest and never logged.
        expire_time: from then on it need not be delivered.
    """

    delivery_id: str
    email: str
    kind: LetterKind
    expire_time: datetime
    digits: str = field(default="", repr=False)


def new_code(email: str, now: datetime, lifetime: timedelta) -> tuple[Code, Letter]:
    """A new random code for `email`, and the letter that brings it there."""
    digits = f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}d}"
    salt = secrets.token_bytes(_SALT_BYTES)
    code = Code(salt, _digest(salt, digits), now, now + lifetime)
    letter = Letter(
        str(uuid.uuid4()), email, LetterKind.VERIFICATION_CODE, code.expire_time, digits
    )
    return code, letter


def address_taken_letter(email: str, now: datetime, lifetime: timedelta) -> Letter:
    """Tells the owner of an account that somebody tried to sign up with their address."""
    return Letter(str(uuid.uuid4()), email, LetterKind.ADDRESS_TAKEN, now + lifetime)


def _digest(salt: bytes, digits: str) -> bytes:
    return hashlib.sha256(salt + digits.encode()).digest()
