"""Which passwords are too easy to guess."""

from __future__ import annotations

import unicodedata

from user_svc.domain.contact import email_key
from user_svc.domain.faults import PasswordTooWeak

MIN_LENGTH = 10
MAX_LENGTH = 256

_LOCAL_PART_MIN = 4
"""A shorter local part is in too many good passwords by chance."""

_COMMON = frozenset(
    [
        "1234567890",
        "12345678910",
        "0123456789",
        "0987654321",
        "9876543210",
        "123456789a",
        "1q2w3e4r5t",
        "1qaz2wsx3edc",
        "q1w2e3r4t5",
        "qwertyuiop",
        "qwerty1234",
        "qwerty12345",
        "qwerty123456",
        "asdfghjkl1",
        "zxcvbnm123",
        "password12",
        "password123",
        "password1234",
        "password12345",
        "passw0rd123",
        "p@ssw0rd123",
        "p@ssword123",
        "mypassword",
        "iloveyou12",
        "iloveyou123",
        "iloveyou1234",
        "letmein123",
        "letmein1234",
        "welcome123",
        "welcome1234",
        "administrator",
        "admin12345",
        "admin123456",
        "changeme123",
        "changeme1234",
        "abc1234567",
        "abcd123456",
        "abcdefghij",
        "abcdefghijk",
        "football123",
        "baseball123",
        "superman123",
        "starwars123",
        "princess123",
        "sunshine123",
        "allocator1",
        "allocator123",
        "correcthorsebatterystaple",
    ]
)


def normalised(password: str) -> str:
    """The form that is hashed, so that the same keys on another keyboard driver fit (NFKC)."""
    return unicodedata.normalize("NFKC", password)


def check_strength(password: str, email: str) -> None:
    """Refuses a password that is easy to guess for the owner of `email`, which may be empty.

    Raises:
        PasswordTooWeak: it is too short or long, is one of the most common, repeats one or two
            characters, or contains the address or its local part.
    """
    text = normalised(password)
    folded = text.casefold()
    address = email_key(email)
    local = address.partition("@")[0]
    if not MIN_LENGTH <= len(text) <= MAX_LENGTH:
        raise PasswordTooWeak(f"Use a password of {MIN_LENGTH} to {MAX_LENGTH} characters.")
    if len(set(folded)) <= 2 or folded in _COMMON:
        raise PasswordTooWeak("This password is among the first that are tried; use another.")
    if address and (folded == local or address in folded):
        raise PasswordTooWeak("This password contains your address; use another.")
    if len(local) >= _LOCAL_PART_MIN and local in folded:
        raise PasswordTooWeak("This password contains your address; use another.")
