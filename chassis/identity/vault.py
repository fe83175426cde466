"""Secrets at rest."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class VaultBroken(Exception):
    """What is to be opened was sealed with another key or for another purpose, or is damaged."""


class Vault:
    """Seals secrets with AES-256-GCM under the installation's key.

    While a key is replaced there are two: the first seals, and what either sealed can be opened.
    """

    def __init__(self, *keys: bytes) -> None:
        """Keeps the keys, 32 bytes each: the one that seals, then others that open as well."""
        self._ciphers = [AESGCM(key) for key in keys]

    def seal(self, secret: bytes, context: str) -> bytes:
        """Encrypts a secret.

        Args:
            secret: what nobody shall read.
            context: what it belongs to, `allocations/7f3k2m9q`: it opens with the same one only, so
                that a sealed secret cannot be moved to another place.
        """
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, secret, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypts what `seal` made with the same context.

        Raises:
            VaultBroken: it cannot be opened.
        """
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(nonce, rest, context.encode())
            except (InvalidTag, ValueError):
                continue
        raise VaultBroken("a stored secret cannot be opened with this key")
