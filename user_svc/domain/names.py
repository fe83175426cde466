"""Identifiers: how they are made, and how they stand in resource names."""

from __future__ import annotations

import secrets
import string

_ALPHABET = string.ascii_lowercase + string.digits
_LENGTH = 12
"""36 ** 12 is 62 bits: made at random they do not meet, and nobody guesses one."""


def new_id() -> str:
    """A new identifier: 12 characters of `[a-z0-9]`."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def user_name(user_id: str) -> str:
    """The resource name of a person, `users/{id}`."""
    return f"users/{user_id}"


def session_name(session_id: str) -> str:
    """The resource name of a session, `sessions/{id}`."""
    return f"sessions/{session_id}"


def access_token_name(token_id: str) -> str:
    """The resource name of a personal access token, `accessTokens/{id}`."""
    return f"accessTokens/{token_id}"


def invitation_name(invitation_id: str) -> str:
    """The resource name of an invitation, `invitations/{id}`."""
    return f"invitations/{invitation_id}"


def id_of(name: str) -> str:
    """The identifier in a resource name of two segments; empty where there is none."""
    return name.partition("/")[2]
