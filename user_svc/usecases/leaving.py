"""The end of an account."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from chassis.clock import Clock
from chassis.identity.caller import Caller
from user_svc.domain.faults import AccountChanged, LogInNotFresh
from user_svc.domain.names import id_of
from user_svc.ports.accounts import AccountStore, AdminFile, Removal
from user_svc.ports.sessions import SessionStore
from user_svc.usecases.accounts import Accounts
from user_svc.usecases.log_in import SessionRules
from user_svc.usecases.password_proof import PasswordProof

_TRIES = 5
_FRESH = timedelta(minutes=10)


class Leaving:
    """Ends accounts for good; other services do their part once they hear of it."""

    def __init__(
        self,
        accounts: AccountStore,
        keeping: Accounts,
        *,
        sessions: SessionStore,
        proof: PasswordProof,
        admin_file: AdminFile,
        rules: SessionRules,
        clock: Clock,
        revoked: Callable[[], None],
    ) -> None:
        """Takes what it needs; `revoked` is called when tokens were revoked."""
        self._accounts = accounts
        self._keeping = keeping
        self._sessions = sessions
        self._proof = proof
        self._admin_file = admin_file
        self._rules = rules
        self._clock = clock
        self._revoked = revoked

    async def delete(self, caller: Caller, name: str, password: str, version: int | None) -> None:
        """Ends an account.

        Args:
            caller: who asks.
            name: which; one's own, or for admins anybody's.
            password: the caller's; empty where the log-in itself shall show that it is them.
            version: the version that the caller knows; None where a lost race does not matter.

        Raises:
            UserNotFound: there is none, or the caller may not see it.
            LogInNotFresh: there is no password, and the log-in is older than ten minutes.
            PasswordWrong: it is not the caller's password.
            TooManyRequests: wrong passwords came before.
            AccountChanged: the account has another version.
            LastAdmin: nobody active would be an admin.
            Overloaded: too many passwords are being hashed.
        """
        await self._keeping.read(caller, name)
        if password:
            await self._proof.check(await self._keeping.own(caller, "users/me"), password)
        else:
            await self._check_fresh(caller)
        for _ in range(_TRIES):
            account = await self._keeping.read(caller, name)
            if version is not None and version != account.version:
                break
            now = self._clock.now()
            try:
                await self._accounts.remove(Removal(account, now, self._rules.revoked_until(now)))
            except AccountChanged:
                continue
            self._revoked()
            await self._admin_file.remove(account.email)
            return
        raise AccountChanged(
            "The account has changed since it was read; read it again and send its etag.",
            user=name,
        )

    async def _check_fresh(self, caller: Caller) -> None:
        session = await self._sessions.get(id_of(caller.session))
        if session is None or self._clock.now() - session.create_time > _FRESH:
            raise LogInNotFresh(
                "You logged in more than ten minutes ago: log in again, or give your password, before "
                "an account is ended for good."
            )
