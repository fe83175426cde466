"""Personal access tokens: what a program may do for a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from user_svc.domain.names import access_token_name

LONGEST = timedelta(days=365)
"""How long one lives at most."""

USUAL = timedelta(days=30)
"""How long one lives where nobody says."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A personal access token, without its text, which is kept nowhere.

    Attributes:
        id: 12 characters of `[a-z0-9]`.
        user_id: whose it is.
        title: what it is for, in the person's words.
        scopes: what it may do, in order of the alphabet.
        last_use_time: when it was used, to within minutes; None where it never was.
    """

    id: str
    user_id: str
    title: str
    scopes: tuple[str, ...]
    create_time: datetime
    expire_time: datetime
    last_use_time: datetime | None = None

    @property
    def name(self) -> str:
        """The resource name, `accessTokens/{id}`."""
        return access_token_name(self.id)
