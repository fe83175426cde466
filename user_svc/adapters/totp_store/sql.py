"""Second factors in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from chassis.identity import Vault
from chassis.sql import Database
from user_svc.domain.totp import Totp
from user_svc.schema.tables import RECOVERY_CODES, TOTPS

_ONE = select(TOTPS).where(TOTPS.c.user_id == bindparam("by_user"))
_LOCKED = _ONE.with_for_update()
_LEFT = select(func.count()).where(RECOVERY_CODES.c.user_id == bindparam("by_user"))
_ADD = insert(TOTPS)
_CONFIRM = (
    update(TOTPS)
    .where(
        TOTPS.c.user_id == bindparam("by_user"),
        TOTPS.c.confirm_time.is_(None),
        TOTPS.c.secret == bindparam("was_secret"),
    )
    .values(confirm_time=bindparam("present"), last_step=bindparam("step"))
)
_USE_STEP = (
    update(TOTPS)
    .where(
        TOTPS.c.user_id == bindparam("by_user"),
        TOTPS.c.confirm_time.is_not(None),
        TOTPS.c.last_step < bindparam("step"),
    )
    .values(last_step=bindparam("step"))
)
_ADD_CODE = insert(RECOVERY_CODES)
_USE_CODE = delete(RECOVERY_CODES).where(
    RECOVERY_CODES.c.user_id == bindparam("by_user"),
    RECOVERY_CODES.c.digest == bindparam("by_digest"),
)
_DROP = delete(TOTPS).where(TOTPS.c.user_id == bindparam("by_user"))
_DROP_CODES = delete(RECOVERY_CODES).where(RECOVERY_CODES.c.user_id == bindparam("by_user"))


def drop_totp(connection: Connection, user_id: str) -> bool:
    """Forgets a person's second factor, in somebody else's transaction; False where there was none."""
    connection.execute(_DROP_CODES, {"by_user": user_id})
    return bool(connection.execute(_DROP, {"by_user": user_id}).rowcount)


class SqlTotpStore:
    """A TotpStore on MySQL and SQLite.

    Args:
        database: where the tables are.
        vault: seals the secrets.
    """

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def get(self, user_id: str) -> Totp | None:
        """The second factor of an account, confirmed or not."""
        return await self._database.get(lambda connection: self._read(connection, user_id))

    async def put(self, totp: Totp) -> bool:
        """Stores one that is not confirmed in place of another such."""
        row = {
            "user_id": totp.user_id,
            "secret": self._vault.seal(totp.secret.encode(), _context(totp.user_id)),
            "create_time": totp.create_time,
            "confirm_time": None,
            "last_step": 0,
        }

        def work(connection: Connection) -> bool:
            present = connection.execute(_LOCKED, {"by_user": totp.user_id}).first()
            if present is not None and present.confirm_time is not None:
                return False
            drop_totp(connection, totp.user_id)
            connection.execute(_ADD, row)
            return True

        return await self._database.write(work)

    async def confirm(self, totp: Totp, step: int, digests: Sequence[bytes], now: datetime) -> bool:
        """Makes it active."""
        keys = {"by_user": totp.user_id, "present": now, "step": step}

        def work(connection: Connection) -> bool:
            row = connection.execute(_LOCKED, {"by_user": totp.user_id}).first()
            if row is None or self._secret(totp.user_id, row.secret) != totp.secret:
                return False
            if not connection.execute(_CONFIRM, {**keys, "was_secret": row.secret}).rowcount:
                return False
            connection.execute(
                _ADD_CODE, [{"user_id": totp.user_id, "digest": one.hex()} for one in digests]
            )
            return True

        return await self._database.write(work)

    async def use_step(self, user_id: str, step: int) -> bool:
        """Uses a time step up; of several at once with one step, one gets True."""
        keys = {"by_user": user_id, "step": step}
        return await self._database.write(
            lambda connection: bool(connection.execute(_USE_STEP, keys).rowcount)
        )

    async def use_recovery_code(self, user_id: str, digest: bytes) -> bool:
        """Uses a recovery code up; of several at once with the same, one gets True."""
        keys = {"by_user": user_id, "by_digest": digest.hex()}
        return await self._database.write(
            lambda connection: bool(connection.execute(_USE_CODE, keys).rowcount)
        )

    async def remove(self, user_id: str) -> bool:
        """Forgets it and its recovery codes."""
        return await self._database.write(lambda connection: drop_totp(connection, user_id))

    def _read(self, connection: Connection, user_id: str) -> Totp | None:
        row = connection.execute(_ONE, {"by_user": user_id}).first()
        if row is None:
            return None
        left = connection.execute(_LEFT, {"by_user": user_id}).scalar_one()
        secret = self._secret(user_id, row.secret)
        return Totp(user_id, secret, row.create_time, row.confirm_time, left)

    def _secret(self, user_id: str, sealed: bytes) -> str:
        return self._vault.open(bytes(sealed), _context(user_id)).decode()


def _context(user_id: str) -> str:
    return f"users/{user_id}/totp"
