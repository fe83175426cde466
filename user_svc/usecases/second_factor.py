"""The second factor: enrolling, confirming, removing it, and showing it at a log-in."""

from __future__ import annotations

from dataclasses import dataclass, field

from chassis.clock import Clock
from chassis.identity.caller import Caller
from chassis.limits import Delays, FailureDelays
from user_svc.domain.account import Account
from user_svc.domain.faults import (
    TooManyRequests,
    TotpEnrolled,
    TotpNotEnrolled,
    TotpRequired,
    TotpWrong,
    UserNotFound,
)
from user_svc.domain.names import id_of
from user_svc.domain.totp import Totp, new_recovery_codes, recovery_digest
from user_svc.ports.accounts import AccountStore
from user_svc.ports.factors import Authenticator, TotpStore
from user_svc.usecases.password_proof import PasswordProof


@dataclass(frozen=True, slots=True)
class Proof:
    """What shows that it is the person; at most one is given.

    Attributes:
        password: the account's.
        totp_code: the present code of the authenticator app.
        recovery_code: one that is not used up.
    """

    password: str = field(default="", repr=False)
    totp_code: str = field(default="", repr=False)
    recovery_code: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A new secret, to be shown once."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)
    qr_svg: str = field(repr=False)


class SecondFactor:
    """Keeps second factors and checks them.

    A code is good for one use, and none of an earlier time step is taken after it. Wrong codes slow
    down further ones for the account; nobody can cause that who does not have the password already.
    """

    def __init__(
        self,
        accounts: AccountStore,
        totps: TotpStore,
        *,
        authenticator: Authenticator,
        password: PasswordProof,
        failures: FailureDelays,
        delays: Delays,
        clock: Clock,
    ) -> None:
        """Takes what it needs; the delays are for wrong codes."""
        self._accounts = accounts
        self._totps = totps
        self._authenticator = authenticator
        self._password = password
        self._failures = failures
        self._delays = delays
        self._clock = clock

    async def check(self, account: Account, proof: Proof) -> None:
        """Lets a log-in with the right password go on.

        Raises:
            TotpRequired: the account has a second factor, and the proof holds no code.
            TotpWrong: the code is wrong, too old, or was used.
            TooManyRequests: wrong codes came before.
        """
        totp = await self._totps.get(account.id)
        if totp is None or not totp.is_active:
            return
        if not proof.totp_code and not proof.recovery_code:
            raise TotpRequired(
                "Send the present code of your authenticator app as well, or a recovery code."
            )
        await self._use(totp, proof)

    async def read(self, caller: Caller, name: str) -> tuple[str, Totp | None]:
        """The person's resource name and second factor, if there is one.

        Raises:
            UserNotFound: there is none such, or the caller may not see them.
        """
        account = await self._account(caller, name)
        return account.name, await self._totps.get(account.id)

    async def enroll(self, caller: Caller, name: str, password: str) -> Enrolment:
        """Makes a secret that waits to be confirmed.

        Raises:
            UserNotFound: the name is somebody else's.
            PasswordWrong: it is not the password.
            TotpEnrolled: there is an active one.
            TooManyRequests: wrong passwords came before.
        """
        account = await self._own(caller, name)
        await self._password.check(account, password)
        secret = self._authenticator.new_secret()
        if not await self._totps.put(Totp(account.id, secret, self._clock.now())):
            raise _enrolled()
        uri = self._authenticator.uri(secret, account.email)
        return Enrolment(secret, uri, self._authenticator.qr_svg(uri))

    async def confirm(self, caller: Caller, name: str, code: str) -> list[str]:
        """Makes the second factor active; the recovery codes, to be shown once.

        Raises:
            UserNotFound: the name is somebody else's.
            TotpNotEnrolled: no secret waits to be confirmed.
            TotpEnrolled: there is an active one.
            TotpWrong: it is not the code.
            TooManyRequests: wrong codes came before.
        """
        account = await self._own(caller, name)
        totp = await self._totps.get(account.id)
        if totp is None:
            raise TotpNotEnrolled("No second factor waits to be confirmed; enroll one first.")
        if totp.is_active:
            raise _enrolled()
        key = await self._begin(account.id)
        now = self._clock.now()
        step = self._authenticator.step_of(totp.secret, code, now)
        if step is None:
            raise _wrong()
        await self._failures.forget(key)
        codes = new_recovery_codes()
        digests = [recovery_digest(account.id, one) for one in codes]
        if not await self._totps.confirm(totp, step, digests, now):
            raise TotpNotEnrolled("Another second factor was enrolled just now; confirm that one.")
        return codes

    async def remove(self, caller: Caller, name: str, proof: Proof) -> None:
        """Removes the second factor: the caller's, or, for admins, anybody's.

        Raises:
            UserNotFound: there is none such, or the caller may not see them.
            TotpNotEnrolled: there is none.
            PasswordWrong, TotpWrong: the proof is wrong, or there is none.
            TooManyRequests: wrong ones came before.
        """
        account = await self._account(caller, name)
        totp = await self._totps.get(account.id)
        if totp is None:
            raise TotpNotEnrolled("There is no second factor to remove.")
        if account.name == caller.user:
            if totp.is_active and (proof.totp_code or proof.recovery_code):
                await self._use(totp, proof)
            else:
                await self._password.check(account, proof.password)
        await self._totps.remove(account.id)

    async def _use(self, totp: Totp, proof: Proof) -> None:
        key = await self._begin(totp.user_id)
        if proof.totp_code:
            now = self._clock.now()
            step = self._authenticator.step_of(totp.secret, proof.totp_code, now)
            fits = step is not None and await self._totps.use_step(totp.user_id, step)
        else:
            digest = recovery_digest(totp.user_id, proof.recovery_code)
            fits = await self._totps.use_recovery_code(totp.user_id, digest)
        if not fits:
            raise _wrong()
        await self._failures.forget(key)

    async def _begin(self, account_id: str) -> str:
        key = f"second factor of {account_id}"
        wait = await self._failures.attempt(key, self._delays)
        if wait > 0:
            raise TooManyRequests(
                "There were too many wrong codes; wait, then try again.", retry_after=wait
            )
        return key

    async def _own(self, caller: Caller, name: str) -> Account:
        account = await self._account(caller, name)
        if account.name != caller.user:
            raise UserNotFound(f"There is no user {name!r} whose second factor is yours.")
        return account

    async def _account(self, caller: Caller, name: str) -> Account:
        account_id = id_of(caller.user) if name == "users/me" else id_of(name)
        visible = caller.is_admin or account_id == id_of(caller.user)
        account = await self._accounts.get(account_id) if visible and account_id else None
        if account is None:
            raise UserNotFound(f"There is no user {name!r}.", user=name)
        return account


def _wrong() -> TotpWrong:
    return TotpWrong(
        "This is not the present code, or it was used; wait for the next one. If it happens again, "
        "check the clock of your device."
    )


def _enrolled() -> TotpEnrolled:
    return TotpEnrolled("You have a second factor; remove it first.")
