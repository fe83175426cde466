"""Access tokens as JSON Web Tokens, signed with Ed25519."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from chassis.clock import millis_of
from chassis.identity.caller import ADMIN_SCOPE
from chassis.identity.trust import ALGORITHM, AUDIENCE, ISSUER
from user_svc.domain.access_token import AccessToken
from user_svc.domain.account import Account
from user_svc.domain.session import Session
from user_svc.domain.trust import SigningKey

_ID_BYTES = 9
_MILLIS = 1000


class JoseTokenSigner:
    """A TokenSigner over joserfc and cryptography."""

    def __init__(self) -> None:
        self._imported: tuple[str, object] | None = None

    def new_key(self, now: datetime) -> SigningKey:
        """A new random Ed25519 key pair."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        private = Ed25519PrivateKey.generate()
        return SigningKey(
            id=secrets.token_urlsafe(_ID_BYTES),
            public_key=private.public_key().public_bytes_raw(),
            private_key=private.private_bytes_raw(),
            create_time=now,
        )

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
        """A token with which the person acts in that session until `end`.

        `asof` is a claim of our own, in seconds with milliseconds: what a revocation is compared with.
        It is not `iat`, since it may be a little ahead of every clock.
        """
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": account.name,
            "sid": session.name,
            "jti": secrets.token_urlsafe(_ID_BYTES),
            "iat": millis_of(now) / _MILLIS,
            "asof": millis_of(as_of) / _MILLIS,
            "exp": millis_of(end) / _MILLIS,
            "scope": "all",
            "roles": sorted(role.value for role in account.roles),
            "verified": account.verified,
        }
        return self._encoded(key, claims)

    def sign_access_token(self, key: SigningKey, account: Account, token: AccessToken) -> str:
        """The text of a personal access token.

        `pat` is a claim of our own: the token's resource name, by which it is revoked.
        """
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": account.name,
            "pat": token.name,
            "jti": token.id,
            "iat": millis_of(token.create_time) / _MILLIS,
            "exp": millis_of(token.expire_time) / _MILLIS,
            "scope": " ".join(token.scopes),
            "roles": sorted(role.value for role in account.roles)
            if ADMIN_SCOPE in token.scopes
            else [],
            "verified": account.verified,
        }
        return self._encoded(key, claims)

    def _encoded(self, key: SigningKey, claims: dict[str, Any]) -> str:
        from joserfc import jwt

        header = {"alg": ALGORITHM, "typ": "JWT", "kid": key.id}
        return jwt.encode(header, claims, self._key(key), algorithms=[ALGORITHM])  # type: ignore[arg-type]

    def _key(self, key: SigningKey) -> object:
        """The key as joserfc wants it; made once."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from joserfc.jwk import OKPKey

        if self._imported is None or self._imported[0] != key.id:
            private = Ed25519PrivateKey.from_private_bytes(key.private_key)
            self._imported = key.id, OKPKey.import_key(private)
        return self._imported[1]
