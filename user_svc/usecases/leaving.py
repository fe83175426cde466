"""The end of an account."""

from __future__ import annotations

from collections.abc import Callable

from chassis.clock import Clock
from chassis.identity.caller import Caller
from user_svc.domain.faults import AccountChanged
from user_svc.ports.accounts import AccountStore, AdminFile, Removal
from user_svc.usecases.accounts import Accounts
from user_svc.usecases.log_in import SessionRules
from user_svc.usecases.password_proof import PasswordProof

_TRIES = 5


class Leaving:
    """Ends accounts for good; other services do their part once they hear of it."""

    def __init__(
        self,
        accounts: AccountStore,
        keeping: Accounts,
        *,
        proof: PasswordProof,
        admin_file: AdminFile,
        rules: SessionRules,
        clock: Clock,
        revoked: Callable[[], None],
    ) -> None:
        """Takes what it needs; `revoked` is called when tokens were revoked."""
        self._accounts = accounts
        self._keeping = keeping
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
            password: the caller's.
            version: the version that the caller knows; None where a lost race does not matter.

        Raises:
            UserNotFound: there is none, or the caller may not see it.
            PasswordWrong: it is not the caller's password.
            TooManyRequests: wrong passwords came before.
            AccountChanged: the account has another version.
            LastAdmin: nobody active would be an admin.
            Overloaded: too many passwords are being hashed.
        """
        await self._keeping.read(caller, name)
        await self._proof.check(await self._keeping.own(caller, "users/me"), password)
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
