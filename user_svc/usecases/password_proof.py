"""Asking for the password again, before what cannot be undone."""

from __future__ import annotations

from chassis.limits import Delays, FailureDelays
from user_svc.domain.account import Account
from user_svc.domain.faults import PasswordWrong, TooManyRequests
from user_svc.domain.password import normalised
from user_svc.ports.accounts import PasswordHasher


class PasswordProof:
    """Checks the password of somebody who is logged in; wrong ones slow down the next attempt."""

    def __init__(self, hasher: PasswordHasher, failures: FailureDelays, delays: Delays) -> None:
        """Takes what it needs."""
        self._hasher = hasher
        self._failures = failures
        self._delays = delays

    async def check(self, account: Account, present: str) -> None:
        """Checks that `present` is the password of the account.

        Raises:
            PasswordWrong: it is not.
            TooManyRequests: wrong passwords came before.
            Overloaded: too many passwords are being hashed.
        """
        key = f"password of {account.id}"
        wait = await self._failures.attempt(key, self._delays)
        if wait > 0:
            raise TooManyRequests(
                "There were too many wrong passwords; wait, then try again.", retry_after=wait
            )
        if not await self._hasher.fits(account.password_hash, normalised(present)):
            raise PasswordWrong("The present password is wrong; type it again.")
        await self._failures.forget(key)
