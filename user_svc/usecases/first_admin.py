"""The first admin of an installation."""

from __future__ import annotations

import uuid

from chassis.clock import Clock
from user_svc.domain.account import Account, Fact, FactKind, Role
from user_svc.domain.names import new_id
from user_svc.domain.password import normalised
from user_svc.ports.accounts import AccountStore, AddressTaken, AdminFile, Change, PasswordHasher

FIRST_ADMIN_EMAIL = "admin@allocator.local"


class FirstAdmin:
    """Makes the first admin, once, however many processes begin at the same moment.

    The credentials are written to the file first and stored after it with the password that the
    file holds. So a crash between the two loses nothing, and two processes on one data folder store
    the same password; one of them succeeds, by the unique address.
    """

    def __init__(
        self,
        accounts: AccountStore,
        hasher: PasswordHasher,
        admin_file: AdminFile,
        clock: Clock,
    ) -> None:
        """Takes what it needs."""
        self._accounts = accounts
        self._hasher = hasher
        self._file = admin_file
        self._clock = clock

    async def ensure(self) -> bool:
        """Makes the first admin where there is none yet; returns whether it was made now.

        Whoever is an admin will do: the first one may have another address by now, or have gone.
        """
        known = await self._accounts.by_email(FIRST_ADMIN_EMAIL)
        if known is not None or await self._accounts.has_admin():
            return False
        password = await self._file.password(FIRST_ADMIN_EMAIL)
        password_hash = await self._hasher.hash(normalised(password))
        now = self._clock.now()
        account = Account(
            id=new_id(),
            uid=str(uuid.uuid4()),
            email=FIRST_ADMIN_EMAIL,
            password_hash=password_hash,
            create_time=now,
            update_time=now,
            email_verified=True,
            roles=frozenset({Role.ADMIN}),
        )
        try:
            await self._accounts.add(Change(account, [Fact(FactKind.REGISTERED, account)]))
        except AddressTaken:
            winner = await self._accounts.by_email(FIRST_ADMIN_EMAIL)
            if winner is None or not await self._hasher.fits(
                winner.password_hash, normalised(password)
            ):
                # The other one keeps its data elsewhere: our file would show what is not so.
                await self._file.remove(FIRST_ADMIN_EMAIL)
            return False
        return True
