"""What sessions need: where they are kept, keys, revocations and tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from user_svc.domain.access_token import AccessToken
from user_svc.domain.account import Account
from user_svc.domain.session import Session
from user_svc.domain.trust import Revocation, SigningKey


class SessionStore(Protocol):
    """Keeps sessions, and the places where people have logged in.

    Every method raises Unavailable where the store does not answer.
    """

    async def add(self, session: Session, most: int) -> None:
        """Stores a new session; the oldest open ones of the person end where they exceed `most`.

        Remembers its places, and, where the person has logged in before but not from all of them,
        tells others in the same step.
        """

    async def get(self, session_id: str) -> Session | None:
        """The session, also one that has ended, until it is swept."""

    async def rotate(self, was: Session, becomes: Session) -> bool:
        """Stores a session after its refresh token was used.

        False if it was not as in `was` any more: of two calls at once, one gets True.
        """

    async def end(
        self, user_id: str, session_id: str, now: datetime, revoked_until: datetime
    ) -> list[str]:
        """Ends open sessions of a person, and revokes their tokens in the same step.

        Args:
            user_id: whose; another's session is not touched.
            session_id: which one; empty for all.
            now: when.
            revoked_until: when the last of their tokens has ended by itself.

        Returns:
            The identifiers of those that have ended by it.
        """

    async def open_of(
        self, user_id: str, now: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> list[Session]:
        """A person's open sessions, newest first, then by identifier, descending."""

    async def sweep(self, before: datetime) -> int:
        """Forgets sessions that ended or lapsed before then; returns how many."""

    async def sweep_places(self, before: datetime) -> int:
        """Forgets places where nobody has logged in since then; returns how many."""


class TrustStore(Protocol):
    """Keeps signing keys and revocations; shared by all replicas."""

    async def keys(self) -> list[SigningKey]:
        """All keys, oldest first."""

    async def add_key(self, key: SigningKey, newest: str) -> bool:
        """Stores a new key, unless somebody else was faster.

        Args:
            key: the new key.
            newest: the identifier of the newest key so far; empty where there was none. Where it is
                another by now, nothing is stored.

        Returns:
            Whether the key is stored.
        """

    async def drop_key(self, key_id: str) -> None:
        """Forgets a key."""

    async def revocations(self, since: datetime, now: datetime) -> list[Revocation]:
        """Revocations made at `since` or later that have not ended, oldest first."""

    async def sweep(self, now: datetime) -> int:
        """Forgets revocations that have ended; returns how many."""


class TokenSigner(Protocol):
    """Makes access tokens and keys."""

    def new_key(self, now: datetime) -> SigningKey:
        """A new random key pair."""

    def sign(
        self,
        key: SigningKey,
        account: Account,
        session: Session,
        *,
        now: datetime,
        end: datetime,
        as_of: datetime,
    ) -> str:
        """A token with which the person acts in that session.

        Args:
            key: signs it.
            account: what it says of the person.
            session: which.
            now: when it is made.
            end: until when it is good.
            as_of: a revocation from before then does not concern it.
        """

    def sign_access_token(self, key: SigningKey, account: Account, token: AccessToken) -> str:
        """The text of a personal access token.

        It says that the person is an admin only where it has the scope `admin` as well.

        Args:
            key: signs it.
            account: what it says of the person.
            token: which.
        """
