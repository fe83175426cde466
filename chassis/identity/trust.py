"""Which access tokens to trust."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from chassis.faults import Fault, Unauthenticated, Unavailable
from chassis.identity.caller import ADMIN_SCOPE, Caller
from chassis.identity.service_tokens import ServiceTokens
from chassis.telemetry import log

ISSUER = "allocator"
AUDIENCE = "allocator"
ALGORITHM = "Ed25519"
FRESH_SECONDS = 30.0
_MOST_REMEMBERED = 20_000
_MOST_USED = 1000
"""How many used access tokens are noted between two reports; the next use of others is noted then."""

_FIRST_RETRY_SECONDS = 0.02
_LONGEST_RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Revocation:
    """Tokens that must be refused: those of a person's sessions, of one session, issued before a time.

    Times are in seconds since 1970. Where it names a personal access token it is about that one alone,
    whenever it was issued; those that name none are about no such token.
    """

    user: str
    session: str
    issued_before: float
    expires: float
    access_token: str = ""


@dataclass(frozen=True, slots=True)
class TrustUpdate:
    """A change of what is trusted; with nothing in it, a sign of life.

    Attributes:
        keys: all raw Ed25519 public keys by their id; empty where they have not changed.
        revocations: new ones.
        more: whether more of the same follows at once, so that this is not all.
    """

    keys: Mapping[str, bytes] = field(default_factory=dict)
    revocations: Sequence[Revocation] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class _Verified:
    caller: Caller
    issued: float


class Trust:
    """Verifies access tokens with keys and revocations that it follows.

    A verified signature is remembered until its token ends; a revocation never waits for that.

    Where tokens come from another machine, whose clock may differ, they are taken a little after their
    end: else those of a clock that is behind would end before their holders renew them. Nobody gains by
    it, since what a person may no longer do is told by revocations, which are kept for longer. Whether
    a token is revoked depends on no clock of ours: both times that are compared were given by user_svc,
    which sees to their order.
    """

    def __init__(
        self,
        service_tokens: ServiceTokens,
        *,
        leeway: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Starts without keys: until they come, tokens are refused with TRUST_STALE.

        Args:
            service_tokens: verifies those of services.
            leeway: for how many seconds after its end a token is taken: `CLOCK_SKEW_SECONDS`, or none
                where tokens are made by the same clock.
            clock: seconds since 1970.
        """
        self._service_tokens = service_tokens
        self._leeway = leeway
        self._clock = clock
        self._keys: dict[str, OKPKey] = {}
        self._by_user: dict[str, Revocation] = {}
        self._by_session: dict[str, Revocation] = {}
        self._by_access_token: dict[str, Revocation] = {}
        self._used: set[str] = set()
        self._verified: dict[str, _Verified] = {}
        self._heard = -FRESH_SECONDS
        self._known = asyncio.Event()
        self._listeners: list[Callable[[Revocation], None]] = []
        self._log = log("chassis.identity")

    def verify(self, token: str) -> Caller:
        """The person whose access token it is.

        Raises:
            Unauthenticated: the token is not good (TOKEN_INVALID), has ended (TOKEN_EXPIRED) or is
                revoked (TOKEN_REVOKED).
            Unavailable: no key is known yet (TRUST_STALE).
        """
        found = self._verified.get(token)
        if found is None:
            found = self._check(token)
            if len(self._verified) >= _MOST_REMEMBERED:
                self._verified.clear()
            self._verified[token] = found
        now = self._clock()
        if found.caller.token_expires <= now:
            self._verified.pop(token, None)
            raise Unauthenticated(
                "The access token has ended; refresh the session.", reason="TOKEN_EXPIRED"
            )
        if self._is_revoked(found):
            raise Unauthenticated("The session was ended; log in again.", reason="TOKEN_REVOKED")
        if found.caller.access_token and len(self._used) < _MOST_USED:
            self._used.add(found.caller.access_token)
        return found.caller

    def take_used(self) -> list[str]:
        """The personal access tokens that were used since this was last asked."""
        used, self._used = self._used, set()
        return sorted(used)

    def verify_service(self, token: str) -> str:
        """The service whose service token it is.

        Raises:
            Unauthenticated: it is forged or has ended.
        """
        return self._service_tokens.verify(token)

    def is_fresh(self) -> bool:
        """Whether the source of revocations was heard within 30 seconds."""
        return time.monotonic() - self._heard < FRESH_SECONDS

    async def known(self, within: float) -> bool:
        """Waits until the source was heard for the first time; False when it was not in that time.

        Args:
            within: seconds.
        """
        try:
            async with asyncio.timeout(within):
                await self._known.wait()
        except TimeoutError:
            return False
        return True

    def on_revocation(self, listener: Callable[[Revocation], None]) -> Callable[[], None]:
        """Calls the listener with each new revocation, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def is_revoked(self, caller: Caller, issued: float) -> bool:
        """Whether a token of the caller that was issued then is revoked by now."""
        return self._is_revoked(_Verified(caller, issued))

    def learn(self, update: TrustUpdate) -> None:
        """Takes an update over."""
        if update.keys:
            self._keys = {
                key_id: OKPKey.import_key(Ed25519PublicKey.from_public_bytes(raw))
                for key_id, raw in update.keys.items()
            }
            self._verified.clear()
        now = self._clock()
        for revocation in update.revocations:
            if revocation.expires <= now:
                continue
            if revocation.access_token:
                self._by_access_token[revocation.access_token] = revocation
            elif revocation.session:
                self._by_session[revocation.session] = revocation
            else:
                self._by_user[revocation.user] = revocation
            for listener in list(self._listeners):
                listener(revocation)
        for known in (self._by_session, self._by_user, self._by_access_token):
            for name in [n for n, r in known.items() if r.expires <= now]:
                del known[name]
        if not update.more:
            self._heard = time.monotonic()
            self._known.set()

    async def run(
        self,
        watch: Callable[[], AsyncIterator[TrustUpdate]],
        stopping: asyncio.Event | None = None,
    ) -> None:
        """Follows the source of keys and revocations until cancelled, with growing delays.

        Args:
            watch: opens the stream of updates anew.
            stopping: set when the process begins to stop; a stream that ends then is not opened anew.
        """
        delay, said = _FIRST_RETRY_SECONDS, False
        while True:
            try:
                async for update in watch():
                    self.learn(update)
                    delay, said = _FIRST_RETRY_SECONDS, False
            except Fault as fault:
                if delay >= _LONGEST_RETRY_SECONDS and not said:
                    said = True
                    self._log.warning("source of trust is away", reason=fault.reason)
            if stopping is not None and stopping.is_set():
                await asyncio.Event().wait()
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_RETRY_SECONDS)

    def _is_revoked(self, token: _Verified) -> bool:
        if token.caller.access_token:
            return token.caller.access_token in self._by_access_token
        for revocation in (
            self._by_session.get(token.caller.session),
            self._by_user.get(token.caller.user),
        ):
            if revocation is not None and token.issued < revocation.issued_before:
                return True
        return False

    def _check(self, token: str) -> _Verified:
        if not self._keys:
            raise Unavailable(
                "The keys that sign access tokens are not known yet; try again in a moment.",
                reason="TRUST_STALE",
                retry_after=1.0,
            )
        refused = Unauthenticated("The access token cannot be trusted; log in again.")
        try:
            header_key = jwt.decode(token, self._key_of, algorithms=[ALGORITHM])
        except (JoseError, ValueError, KeyError, TypeError):
            raise refused from None
        claims = header_key.claims
        try:
            if claims["iss"] != ISSUER or claims["aud"] != AUDIENCE:
                raise refused
            access_token = str(claims.get("pat", ""))
            scopes = frozenset(str(claims.get("scope", "")).split())
            roles = frozenset(str(role) for role in claims.get("roles", ()))
            return _Verified(
                Caller(
                    user=str(claims["sub"]),
                    session="" if access_token else str(claims["sid"]),
                    # Only a token that may act as an admin has an admin's view of anything.
                    roles=roles if not access_token or ADMIN_SCOPE in scopes else frozenset(),
                    verified=bool(claims.get("verified", False)),
                    token=token,
                    token_expires=float(claims["exp"]) + self._leeway,
                    access_token=access_token,
                    scopes=scopes if access_token else None,
                ),
                issued=float(claims["asof" if "asof" in claims else "iat"]),
            )
        except (KeyError, TypeError, ValueError):
            raise refused from None

    def _key_of(self, obj: object) -> OKPKey:
        key_id = obj.headers().get("kid")  # type: ignore[attr-defined]
        return self._keys[key_id]
