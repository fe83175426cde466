"""Tokens with which services know each other."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from hashlib import sha256

from chassis.faults import Unauthenticated

LIFETIME_SECONDS = 300
_RENEW_SECONDS = 60
CLOCK_SKEW_SECONDS = 120
"""How far the clocks of two machines of an installation may differ."""


class ServiceTokens:
    """Makes and verifies service tokens: `name.expiry.signature`, HMAC-SHA256 under one secret.

    Every service of an installation holds the secret, so a token proves membership; which member it
    is, a certificate must prove besides where services run apart. While a secret is replaced there are
    two: the first signs, and tokens of both are good.
    """

    def __init__(self, *secrets: bytes, clock: Callable[[], float] = time.time) -> None:
        """Keeps the secrets.

        Args:
            secrets: the one that signs, then others that are good as well.
            clock: seconds since 1970.
        """
        self._secrets = secrets
        self._clock = clock
        self._made: dict[str, tuple[float, str]] = {}
        self._verified: dict[str, tuple[int, str]] = {}

    def mint(self, service: str) -> str:
        """A token of the service, good for at least four minutes more."""
        now = self._clock()
        made = self._made.get(service)
        # One that lasts too long was made before the clock was set back.
        if made is None or not (
            LIFETIME_SECONDS - _RENEW_SECONDS <= made[0] - now <= LIFETIME_SECONDS
        ):
            expires = now + LIFETIME_SECONDS
            body = f"{service}.{int(expires)}"
            signature = _signature(self._secrets[0], body)
            made = self._made[service] = (expires, f"{body}.{signature}")
        return made[1]

    def verify(self, token: str) -> str:
        """The service whose token it is.

        Both ends of its life are taken with two minutes to spare, for clocks that differ: a token that
        has just ended, and one of a service whose clock is ahead. One that would live longer is not
        taken: it says that a clock is wrong by more.

        Raises:
            Unauthenticated: it is malformed, forged, has ended, or would live for too long.
        """
        known = self._verified.get(token)
        if known is None:
            known = self._check(token)
            if len(self._verified) > 1000:
                self._verified.clear()
            self._verified[token] = known
        expiry, service = known
        remaining = expiry - self._clock()
        if remaining <= -CLOCK_SKEW_SECONDS:
            raise Unauthenticated("The service token has ended.", reason="TOKEN_EXPIRED")
        if remaining > LIFETIME_SECONDS + CLOCK_SKEW_SECONDS:
            raise Unauthenticated(
                f"The service token of {service} ends too late; set the clocks of both machines."
            )
        return service

    def _check(self, token: str) -> tuple[int, str]:
        body, _, signature = token.rpartition(".")
        service, _, expiry = body.partition(".")
        given = signature.encode()
        fits = [hmac.compare_digest(given, _signature(one, body).encode()) for one in self._secrets]
        if not any(fits) or not (expiry.isascii() and expiry.isdigit()):
            raise Unauthenticated("The service token is not one of this installation.")
        return int(expiry), service


def _signature(secret: bytes, body: str) -> str:
    return hmac.new(secret, body.encode(), sha256).hexdigest()
