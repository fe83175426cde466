"""Signing keys and revocations in SQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError

from chassis.identity import Vault
from chassis.sql import Database
from chassis.sql.sweeping import in_parts, sweep
from user_svc.domain.trust import Revocation, SigningKey
from user_svc.schema.tables import REVOCATIONS, SIGNING_KEYS

_KEYS = select(SIGNING_KEYS).order_by(SIGNING_KEYS.c.create_time, SIGNING_KEYS.c.id)
_NEWEST_KEY = (
    select(SIGNING_KEYS.c.id)
    .order_by(SIGNING_KEYS.c.create_time.desc(), SIGNING_KEYS.c.id.desc())
    .limit(1)
)
_ADD_KEY = insert(SIGNING_KEYS)
_DROP_KEY = delete(SIGNING_KEYS).where(SIGNING_KEYS.c.id == bindparam("by_id"))
_ADD_REVOCATION = insert(REVOCATIONS)
_REVOCATIONS = (
    select(REVOCATIONS)
    .where(
        REVOCATIONS.c.create_time >= bindparam("since"),
        REVOCATIONS.c.expire_time > bindparam("present"),
    )
    .order_by(REVOCATIONS.c.create_time, REVOCATIONS.c.id)
)
_SWEEP = in_parts(delete(REVOCATIONS).where(REVOCATIONS.c.expire_time <= bindparam("present")))


def put_revocation(connection: Connection, revocation: Revocation) -> None:
    """Stores a revocation in somebody else's transaction."""
    connection.execute(
        _ADD_REVOCATION,
        {
            "id": revocation.id,
            "user_name": revocation.user,
            "session_name": revocation.session,
            "issued_before": revocation.issued_before,
            "expire_time": revocation.expire_time,
            "create_time": revocation.create_time,
            "access_token_name": revocation.access_token,
        },
    )


class SqlTrustStore:
    """A TrustStore on MySQL and SQLite.

    Args:
        database: where the tables are.
        vault: seals the private keys.
    """

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def keys(self) -> list[SigningKey]:
        """All keys, oldest first."""
        return await self._database.get(
            lambda connection: [self._key(row) for row in connection.execute(_KEYS)]
        )

    async def add_key(self, key: SigningKey, newest: str) -> bool:
        """Stores a new key, unless somebody else was faster."""
        row = {
            "id": key.id,
            "follows": newest,
            "public_key": key.public_key,
            "private_key": self._vault.seal(key.private_key, _context(key.id)),
            "create_time": key.create_time,
        }

        def add(connection: Connection) -> bool:
            if (connection.execute(_NEWEST_KEY).scalar() or "") != newest:
                return False
            connection.execute(_ADD_KEY, row)
            return True

        try:
            return await self._database.write(add)
        except IntegrityError:
            # Of two at once that both saw the same newest key, one is refused by `follows`.
            return False

    async def drop_key(self, key_id: str) -> None:
        """Forgets a key."""
        await self._database.write(
            lambda connection: connection.execute(_DROP_KEY, {"by_id": key_id}).rowcount
        )

    async def revocations(self, since: datetime, now: datetime) -> list[Revocation]:
        """Revocations made at `since` or later that have not ended, oldest first."""
        keys = {"since": since, "present": now}
        return await self._database.get(
            lambda connection: [_revocation(row) for row in connection.execute(_REVOCATIONS, keys)]
        )

    async def sweep(self, now: datetime) -> int:
        """Forgets revocations that have ended."""
        return await sweep(self._database, _SWEEP, {"present": now})

    def _key(self, row: Row[Any]) -> SigningKey:
        private = self._vault.open(bytes(row.private_key), _context(row.id))
        public = bytes(row.public_key)
        return SigningKey(row.id, public, private, row.create_time, row.needed_until)


def _revocation(row: Row[Any]) -> Revocation:
    return Revocation(
        row.id,
        row.user_name,
        row.session_name,
        row.issued_before,
        row.expire_time,
        row.create_time,
        row.access_token_name,
    )


def _context(key_id: str) -> str:
    return f"signing_keys/{key_id}"
