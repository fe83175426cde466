"""What keeps secrets."""

from __future__ import annotations

from typing import Protocol


class SecretBox(Protocol):
    """Keeps secrets unreadable at rest."""

    def seal(self, secret: bytes, context: str) -> bytes:
        """Encrypts a secret that opens with the same context only."""
        ...

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypts what `seal` made with the same context."""
        ...
