"""The second factor: codes of an authenticator app, and recovery codes."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime

RECOVERY_CODES = 10
"""How many a person gets."""

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""Without what is mistaken for something else: l, o, 0, 1. Each character is five bits."""

_LENGTH = 16
_PART = 4


@dataclass(frozen=True, slots=True)
class Totp:
    """The second factor of an account.

    Attributes:
        user_id: whose.
        secret: in base 32; sealed at rest.
        create_time: when the secret was made.
        confirm_time: when a code of it was shown; None before, when no log-in asks for one.
        recovery_codes_left: how many are not used up.
    """

    user_id: str
    secret: str = field(repr=False)
    create_time: datetime
    confirm_time: datetime | None = None
    recovery_codes_left: int = 0

    @property
    def is_active(self) -> bool:
        """Whether a log-in needs a code."""
        return self.confirm_time is not None


def new_recovery_codes() -> list[str]:
    """Ten codes of 80 random bits each: `abcd-efgh-ijkm-npqr`."""
    codes = []
    for _ in range(RECOVERY_CODES):
        text = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        codes.append("-".join(text[n : n + _PART] for n in range(0, _LENGTH, _PART)))
    return codes


def recovery_digest(user_id: str, code: str) -> bytes:
    """How a recovery code is stored, however it is typed.

    A fast hash will do: the codes are random. With the account in it, equal codes of two people are
    not equal in the store.
    """
    plain = "".join(character for character in code.casefold() if character.isalnum())
    return hashlib.sha256(f"{user_id}:{plain}".encode()).digest()
