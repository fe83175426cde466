"""E-mail addresses and phone numbers: how a person is reached, and known again."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import Enum

_LONGEST = 254
"""What a message may name at most; an address with a local part of one character grows by its mask."""


class ContactKind(Enum):
    """What kind of a contact it is."""

    EMAIL = "EMAIL"
    PHONE = "PHONE"


@dataclass(frozen=True, slots=True)
class Contact:
    """An e-mail address as somebody wrote it, or a phone number in E.164 form."""

    kind: ContactKind
    value: str

    @property
    def key(self) -> str:
        """The form in which two spellings of one contact are equal."""
        return email_key(self.value) if self.kind is ContactKind.EMAIL else self.value

    @property
    def masked(self) -> str:
        """Enough of it to know one's own again: `a***@example.org`, `+49*****56`."""
        if self.kind is ContactKind.EMAIL:
            local, at, domain = self.value.rpartition("@")
            return f"{local[:1]}***{at}{domain}"[:_LONGEST]
        return f"{self.value[:3]}{'*' * (len(self.value) - 5)}{self.value[-2:]}"


def email(address: str) -> Contact:
    """An e-mail address."""
    return Contact(ContactKind.EMAIL, address)


def phone(number: str) -> Contact:
    """A phone number in E.164 form."""
    return Contact(ContactKind.PHONE, number)


def contact_in(text: str) -> Contact:
    """What somebody has typed to say who they are: a number begins with `+`, an address has an `@`."""
    return phone(text.strip()) if text.strip().startswith("+") and "@" not in text else email(text)


def email_key(address: str) -> str:
    """The form of an address in which two spellings of one address are equal.

    NFKC and case folding of the whole address: RFC 5321 lets a mail server tell `Ada@` from `ada@`,
    none does, and a person who types the other one means the same account.
    """
    folded = unicodedata.normalize("NFKC", address).casefold()
    return unicodedata.normalize("NFKC", folded).strip()
