"""Access tokens as JSON Web Tokens, signed with Ed25519."""

from __future__ import annotations

import secrets
from datetime import datetime

from chassis.clock import millis_of
from chassis.identity.trust import ALGORITHM, AUDIENCE, ISSUER
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
        from joserfc import jwt

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
