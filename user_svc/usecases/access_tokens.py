"""Personal access tokens: making, listing and ending them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis.clock import Clock
from chassis.identity.caller import ADMIN_SCOPE, Caller
from chassis.limits import RateLimiter
from user_svc.domain.access_token import LONGEST, USUAL, AccessToken
from user_svc.domain.faults import (
    AccessTokenEndInvalid,
    AccessTokenNotFound,
    RoleMissing,
    ScopeUnknown,
    SessionOver,
    TooManyRequests,
)
from user_svc.domain.names import id_of, new_id
from user_svc.domain.trust import SigningKey
from user_svc.ports.accounts import AccountStore
from user_svc.ports.factors import AccessTokenStore
from user_svc.ports.sessions import TokenSigner


@dataclass(frozen=True, slots=True)
class AccessTokenRules:
    """How many access tokens there may be.

    Attributes:
        scopes: every scope that there is.
        most: how many a person has at once.
        burst, refill: how many a person makes: so many at once, then one more each time. Each that is
            deleted is remembered as revoked until its end.
    """

    scopes: frozenset[str]
    most: int
    burst: int
    refill: timedelta


class AccessTokens:
    """Makes, lists and ends personal access tokens, and notes their use."""

    def __init__(
        self,
        accounts: AccountStore,
        tokens: AccessTokenStore,
        *,
        signer: TokenSigner,
        signing_key: Callable[[], SigningKey],
        limiter: RateLimiter,
        rules: AccessTokenRules,
        clock: Clock,
        revoked: Callable[[], None],
    ) -> None:
        """Takes what it needs; `revoked` is called when tokens were revoked."""
        self._accounts = accounts
        self._tokens = tokens
        self._signer = signer
        self._signing_key = signing_key
        self._limiter = limiter
        self._rules = rules
        self._clock = clock
        self._revoked = revoked

    async def create(
        self, caller: Caller, title: str, scopes: Sequence[str], expire_time: datetime | None
    ) -> tuple[AccessToken, str]:
        """Makes one for the caller, and the text that is shown this once.

        Args:
            caller: who asks, with a session.
            title: what it is for.
            scopes: what it may do.
            expire_time: when it ends; None for 30 days from now.

        Raises:
            ScopeUnknown: there is no such scope.
            RoleMissing: the scope `admin` is asked for by somebody who is no admin.
            AccessTokenEndInvalid: the end is in the past, or more than 365 days away.
            TooManyAccessTokens: the caller has as many as they may.
            TooManyRequests: the caller has made many a moment ago.
            SessionOver: the session has ended meanwhile.
        """
        now = self._clock.now()
        unknown = sorted(set(scopes) - self._rules.scopes)
        if unknown:
            known = ", ".join(sorted(self._rules.scopes))
            raise ScopeUnknown(
                f"There is no scope {', '.join(unknown)}. The scopes are: {known}.", known=known
            )
        if ADMIN_SCOPE in scopes and not caller.is_admin:
            raise RoleMissing(f"Only admins can give an access token the scope {ADMIN_SCOPE}.")
        end = expire_time or now + USUAL
        if not now < end <= now + LONGEST:
            raise AccessTokenEndInvalid(
                f"Choose an end in the future, at most {LONGEST.days} days away."
            )
        wait = await self._limiter.take(
            f"access tokens of {caller.user}",
            self._rules.burst,
            self._rules.refill.total_seconds(),
        )
        if wait > 0:
            raise TooManyRequests(
                "You have made many access tokens; wait, then try again.", retry_after=wait
            )
        account = await self._accounts.get(id_of(caller.user))
        if account is None:
            raise SessionOver("The session was ended; log in again.")
        token = AccessToken(new_id(), account.id, title, tuple(sorted(set(scopes))), now, end)
        key = self._signing_key()
        await self._tokens.add(
            token, session_id=id_of(caller.session), key_id=key.id, most=self._rules.most
        )
        return token, self._signer.sign_access_token(key, account, token)

    async def list_live(
        self, caller: Caller, after: tuple[datetime, str] | None, limit: int
    ) -> list[AccessToken]:
        """The caller's that have not ended, newest first."""
        return await self._tokens.live_of(id_of(caller.user), self._clock.now(), after, limit)

    async def delete(self, caller: Caller, token_id: str) -> None:
        """Ends one of the caller's.

        Raises:
            AccessTokenNotFound: the caller has no such access token.
        """
        if not await self._tokens.delete(id_of(caller.user), token_id, self._clock.now()):
            raise AccessTokenNotFound("You have no such access token; list your access tokens.")
        self._revoked()

    async def note_use(self, names: Sequence[str]) -> None:
        """Notes that access tokens are used now; those that are not known are passed over."""
        await self._tokens.note_use([id_of(name) for name in names], self._clock.now())
