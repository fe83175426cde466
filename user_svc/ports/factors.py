"""What access tokens and the second factor need: where they are kept, and an authenticator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from user_svc.domain.access_token import AccessToken
from user_svc.domain.totp import Totp


class AccessTokenStore(Protocol):
    """Keeps personal access tokens, in the same store as the accounts.

    Every method raises Unavailable where the store does not answer. A token ends by `delete`, and with
    changes of the account that say so; whatever ends it revokes it in the same step.
    """

    async def add(self, token: AccessToken, *, session_id: str, key_id: str, most: int) -> None:
        """Stores a new one, and keeps the key that signs it until the token has ended.

        Of this and a change of the account that ends tokens, at the same moment, one comes first and
        the other sees it: no token survives what ends its like.

        Args:
            token: the new one.
            session_id: the session that asks.
            key_id: the key that has signed it.
            most: how many the person may have that have not ended.

        Raises:
            SessionOver: the session has ended meanwhile.
            RoleMissing: the token has the scope `admin`, and the person is no admin.
            TooManyAccessTokens: the person has as many as they may.
        """

    async def live_of(
        self, user_id: str, now: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> list[AccessToken]:
        """A person's tokens that have not ended, newest first, then by identifier, descending."""

    async def delete(self, user_id: str, token_id: str, now: datetime) -> bool:
        """Ends one; False where the person has none such. Another's is not touched."""

    async def note_use(self, token_ids: Sequence[str], now: datetime) -> None:
        """Notes that they are used now; those that are not there are passed over."""

    async def sweep(self, before: datetime) -> int:
        """Forgets those that ended by themselves before then; returns how many."""


class TotpStore(Protocol):
    """Keeps second factors, in the same store as the accounts.

    Every method raises Unavailable where the store does not answer.
    """

    async def get(self, user_id: str) -> Totp | None:
        """The second factor of an account, confirmed or not."""

    async def put(self, totp: Totp) -> bool:
        """Stores one that is not confirmed in place of another such; False where one is active."""

    async def confirm(self, totp: Totp, step: int, digests: Sequence[bytes], now: datetime) -> bool:
        """Makes it active.

        Args:
            totp: as it was read; where another is stored by now, or it is active, nothing is done.
            step: the time step whose code was shown, which is used up.
            digests: of the recovery codes.
            now: when.

        Returns:
            Whether it was done; of several at once, one is.
        """

    async def use_step(self, user_id: str, step: int) -> bool:
        """Uses a time step up: False where it, or a later one, was used before, or none is active.

        Of several at once with one step, one gets True.
        """

    async def use_recovery_code(self, user_id: str, digest: bytes) -> bool:
        """Uses a recovery code up; of several at once with the same, one gets True."""

    async def remove(self, user_id: str) -> bool:
        """Forgets it and its recovery codes; False where there was none."""


class Authenticator(Protocol):
    """Does what an authenticator app does (RFC 6238)."""

    def new_secret(self) -> str:
        """A random secret in base 32."""

    def step_of(self, secret: str, code: str, now: datetime) -> int | None:
        """The time step whose code it is: the present one, the one before, or the next; else None."""

    def uri(self, secret: str, email: str) -> str:
        """The address that tells an app of the secret, `otpauth://…`."""

    def qr_svg(self, uri: str) -> str:
        """A QR code of that address as an SVG document."""
