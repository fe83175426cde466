"""Tokens with which services know each other."""

from __future__ import annotations

import hmac
import time
from hashlib import sha256

from chassis.faults import Unauthenticated

LIFETIME_SECONDS = 300
_RENEW_SECONDS = 60
_LEEWAY_SECONDS = 120


class ServiceTokens:
    """Makes and verifies service tokens: `name.expiry.signature`, HMAC-SHA256 under one secret.

    Every service of an installation holds the secret, so a token proves membership; which member it
    is, a certificate must prove besides where services run apart.
    """

    def __init__(self, secret: bytes) -> None:
        """Keeps the secret."""
        self._secret = secret
        self._made: dict[str, tuple[float, str]] = {}
        self._verified: dict[str, tuple[float, str]] = {}

    def mint(self, service: str) -> str:
        """A token of the service, good for at least four minutes more."""
        now = time.time()
        made = self._made.get(service)
        if made is None or made[0] - now < LIFETIME_SECONDS - _RENEW_SECONDS:
            expires = now + LIFETIME_SECONDS
            body = f"{service}.{int(expires)}"
            made = self._made[service] = (expires, f"{body}.{self._sign(body)}")
        return made[1]

    def verify(self, token: str) -> str:
        """The service whose token it is.

        Raises:
            Unauthenticated: it is malformed, forged, or has ended (two minutes of clock skew apart).
        """
        now = time.time()
        known = self._verified.get(token)
        if known is not None and known[0] + _LEEWAY_SECONDS > now:
            return known[1]
        body, _, signature = token.rpartition(".")
        service, _, expiry = body.partition(".")
        if not hmac.compare_digest(signature, self._sign(body)) or not expiry.isdigit():
            raise Unauthenticated("The service token is not one of this installation.")
        if int(expiry) + _LEEWAY_SECONDS <= now:
            raise Unauthenticated("The service token has ended.", reason="TOKEN_EXPIRED")
        if len(self._verified) > 1000:
            self._verified.clear()
        self._verified[token] = (float(expiry), service)
        return service

    def _sign(self, body: str) -> str:
        return hmac.new(self._secret, body.encode(), sha256).hexdigest()
