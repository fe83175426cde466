"""Logging in, staying logged in, and logging out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chassis.clock import Clock
from chassis.identity.caller import Caller
from chassis.limits import Delays, FailureDelays
from user_svc.domain.account import Account, State
from user_svc.domain.contact import contact_in
from user_svc.domain.faults import (
    CredentialsWrong,
    RefreshTokenInvalid,
    SessionNotFound,
    TooManyRequests,
    UserDisabled,
    UserNotVerified,
)
from user_svc.domain.names import id_of
from user_svc.domain.password import normalised
from user_svc.domain.session import (
    RefreshToken,
    Session,
    Standing,
    open_session,
    read_token,
    standing,
)
from user_svc.domain.trust import SigningKey
from user_svc.ports.accounts import AccountStore, PasswordHasher
from user_svc.ports.sessions import SessionStore, TokenSigner
from user_svc.usecases.second_factor import Proof, SecondFactor

_AGENT_LENGTH = 200
_ADDRESS_LENGTH = 100
_NO_PROOF = Proof()


@dataclass(frozen=True, slots=True)
class SessionRules:
    """How long sessions last.

    Attributes:
        token_lifetime: of an access token.
        lifetime: of a session that is not refreshed.
        grace: how long a refresh token that was just used still gets the same next one: for two
            tabs, a reloaded page, an answer that was lost.
        skew: how far the clocks of two machines may differ, and how long a change may take to be
            stored besides.
        most: how many sessions of a person are open at once; the oldest end.
        account_delays, address_delays: how wrong passwords slow down the next attempt at the same
            account, and from the same network address.
    """

    token_lifetime: timedelta
    lifetime: timedelta
    grace: timedelta
    skew: timedelta
    most: int
    account_delays: Delays
    address_delays: Delays

    def revoked_until(self, now: datetime) -> datetime:
        """When every token issued until now has ended by itself, whoever's clock one asks.

        Its issuer may be ahead of us, a service that checks it behind, and takes it a little after its
        end; and the replica that tells of the revocation may be ahead again.
        """
        return now + self.token_lifetime + 3 * self.skew

    def effective(self, changed: datetime) -> datetime:
        """Which tokens a change of an account concerns: those of before then.

        A token says what the account was when it was read. Another replica, with its clock ahead, may
        have read it just before the change and have made the token "after" it: so the change counts as
        later than any clock says, and whoever has read it makes tokens that are as late (`as_of`).
        """
        return changed + self.skew


@dataclass(frozen=True, slots=True)
class Pair:
    """What whoever logs in gets.

    Attributes:
        refresh_token: the text of the refresh token.
        expire_time: when the access token ends.
        refresh_lifetime: how long the refresh token can be used.
    """

    session: Session
    account: Account
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expire_time: datetime
    refresh_lifetime: timedelta


class LogIn:
    """Opens, refreshes, lists and ends sessions."""

    def __init__(
        self,
        accounts: AccountStore,
        sessions: SessionStore,
        *,
        hasher: PasswordHasher,
        signer: TokenSigner,
        signing_key: Callable[[], SigningKey],
        second_factor: SecondFactor,
        failures: FailureDelays,
        rules: SessionRules,
        clock: Clock,
        revoked: Callable[[], None],
    ) -> None:
        """Takes what it needs; `revoked` is called when tokens were revoked."""
        self._accounts = accounts
        self._sessions = sessions
        self._hasher = hasher
        self._signer = signer
        self._signing_key = signing_key
        self._second_factor = second_factor
        self._failures = failures
        self._rules = rules
        self._clock = clock
        self._revoked = revoked

    async def open(
        self,
        email: str,
        password: str,
        address: str,
        user_agent: str,
        proof: Proof = _NO_PROOF,
    ) -> Pair:
        """Logs a person in.

        Args:
            email: a verified e-mail address, or a verified phone number in E.164 form.
            password: of the account.
            address: the network address that they come from.
            user_agent: their program, by its own words.
            proof: a code, where the account has a second factor.

        Raises:
            CredentialsWrong: the address or the password is wrong.
            UserDisabled, UserNotVerified: they are right, but the account cannot be used.
            TotpRequired, TotpWrong: they are right, but the code is missing or wrong.
            TooManyRequests: wrong passwords came before, for this account or from this address.
            Overloaded: too many passwords are being checked.
        """
        contact = contact_in(email)
        address_key, account_key = f"log-in from {address}", f"log-in of {contact.key}"
        await self._begin(address_key, self._rules.address_delays)
        try:
            await self._begin(account_key, self._rules.account_delays)
        except TooManyRequests:
            await self._failures.forgive(address_key)
            raise
        account = await self._accounts.by_contact(contact)
        password_hash = account.password_hash if account else ""
        fits = await self._hasher.fits(password_hash, normalised(password))
        if account is None or not fits:
            raise CredentialsWrong("The address or the password is wrong.")
        await self._failures.forgive(address_key)
        await self._failures.forget(account_key)
        if account.state is State.DISABLED:
            raise _disabled(account)
        if not account.verified:
            raise UserNotVerified("Verify your address with the code that was sent to it, first.")
        await self._second_factor.check(account, proof)
        now = self._clock.now()
        session, token = open_session(
            account.id,
            now,
            self._rules.lifetime,
            user_agent[:_AGENT_LENGTH],
            address[:_ADDRESS_LENGTH],
        )
        await self._sessions.add(session, self._rules.most)
        return self._pair(session, account, token, now)

    async def refresh(self, text: str, address: str = "", user_agent: str = "") -> Pair:
        """Exchanges a refresh token for the next pair of tokens.

        Args:
            text: the refresh token.
            address: the network address that it comes from, where it is known.
            user_agent: the program that holds it, by its own words, where it is known.

        Raises:
            RefreshTokenInvalid: it is not known, has ended, or was used before; in the last case the
                session has ended now.
            UserDisabled: an admin has disabled the account.
        """
        token = read_token(text)
        session = await self._sessions.get(token.session_id) if token else None
        if token is None or session is None:
            raise _refused()
        now = self._clock.now()
        found = standing(session, token, now, self._rules.grace)
        if found is Standing.STRANGE:
            raise _refused()
        account = await self._accounts.get(session.user_id)
        if account is None:
            raise _refused()
        if account.state is State.DISABLED:
            raise _disabled(account)
        if not session.is_open(now):
            raise _refused()
        if found is Standing.PRESENT:
            becomes = session.rotated(
                token,
                now,
                self._rules.lifetime,
                user_agent=user_agent[:_AGENT_LENGTH],
                address=address[:_ADDRESS_LENGTH],
            )
            if await self._sessions.rotate(session, becomes):
                session = becomes
            else:
                # Another call was faster: with the same token, if this is a race of two tabs.
                session = await self._sessions.get(session.id) or session
                found = standing(session, token, now, self._rules.grace)
                if not session.is_open(now):
                    raise _refused()
        if found is Standing.USED:
            await self._end(session.user_id, session.id)
            raise RefreshTokenInvalid(
                "This refresh token was used before, so somebody else may hold it too: the session "
                "has ended; log in again."
            )
        return self._pair(session, account, session.next_token(token), now)

    async def list_open(
        self, caller: Caller, after: tuple[datetime, str] | None, limit: int
    ) -> list[Session]:
        """The caller's open sessions, newest first."""
        return await self._sessions.open_of(id_of(caller.user), self._clock.now(), after, limit)

    async def end(self, caller: Caller, session_id: str) -> None:
        """Logs out of one session of the caller, or of all where the identifier is empty.

        Raises:
            SessionNotFound: the caller has no such open session.
        """
        ended = await self._end(id_of(caller.user), session_id)
        if session_id and not ended:
            raise SessionNotFound("You have no such open session; list your sessions.")

    async def _end(self, user_id: str, session_id: str) -> list[str]:
        now = self._clock.now()
        ended = await self._sessions.end(user_id, session_id, now, self._rules.revoked_until(now))
        if ended:
            self._revoked()
        return ended

    async def _begin(self, key: str, delays: Delays) -> None:
        wait = await self._failures.attempt(key, delays)
        if wait > 0:
            raise TooManyRequests(
                "There were too many wrong passwords; wait, then try again.", retry_after=wait
            )

    def _pair(self, session: Session, account: Account, token: RefreshToken, now: datetime) -> Pair:
        end = now + self._rules.token_lifetime
        as_of = max(now, self._rules.effective(account.update_time))
        access_token = self._signer.sign(
            self._signing_key(), account, session, now=now, end=end, as_of=as_of
        )
        return Pair(session, account, access_token, token.text(), end, self._rules.lifetime)


def _disabled(account: Account) -> UserDisabled:
    why = f" ({account.disable_reason})" if account.disable_reason else ""
    return UserDisabled(f"This account is disabled{why}; ask an admin.")


def _refused() -> RefreshTokenInvalid:
    return RefreshTokenInvalid("The refresh token is not known or has ended; log in again.")
