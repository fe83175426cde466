"""Letters in SQL, beside the accounts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from chassis.identity import Vault
from chassis.sql import Database
from user_svc.domain.code import Addressee, Letter, LetterKind, Purpose
from user_svc.domain.contact import email, phone
from user_svc.schema.tables import LETTERS

# A letter is due at once for whoever hands it over, also where their clock is behind ours.
_CLOCKS_APART = timedelta(minutes=5)
_DUE = (
    select(LETTERS)
    .where(LETTERS.c.due_time <= bindparam("present"))
    .order_by(LETTERS.c.due_time, LETTERS.c.delivery_id)
    .limit(bindparam("most"))
)
# What another worker is taking at this moment is left to it.
_TAKEN = _DUE.with_for_update(skip_locked=True)
_LEASE = (
    update(LETTERS)
    .where(LETTERS.c.delivery_id == bindparam("by_id"), LETTERS.c.due_time == bindparam("was_due"))
    .values(due_time=bindparam("lease_end"))
)
_RECLAIM = (
    update(LETTERS)
    .where(LETTERS.c.due_time > bindparam("present"))
    .values(due_time=bindparam("present"))
)
_POSTPONE = (
    update(LETTERS)
    .where(LETTERS.c.delivery_id == bindparam("by_id"))
    .values(due_time=bindparam("until"), attempts=LETTERS.c.attempts + 1)
)
_DROP = delete(LETTERS).where(LETTERS.c.delivery_id == bindparam("by_id"))
_NEXT = select(func.min(LETTERS.c.due_time))


def put_letter(connection: Connection, vault: Vault, letter: Letter, now: datetime) -> None:
    """Stores a letter in somebody else's transaction; it is due at once."""
    sealed = vault.seal(letter.digits.encode(), _context(letter.delivery_id))
    connection.execute(
        insert(LETTERS),
        {
            "delivery_id": letter.delivery_id,
            "email": letter.email,
            "phone_number": letter.phone_number,
            "user_name": letter.to.user,
            "language_code": letter.to.language_code,
            "kind": letter.kind.value,
            "purpose": letter.purpose.value,
            "new_contact": letter.new_contact,
            "digits": sealed if letter.digits else b"",
            "expire_time": letter.expire_time,
            "due_time": now - _CLOCKS_APART,
            "attempts": 0,
        },
    )


class SqlLetterStore:
    """A LetterStore on MySQL and SQLite.

    Args:
        database: where the tables are.
        vault: opens the sealed codes.
    """

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def due(self, now: datetime, lease_end: datetime, limit: int) -> list[tuple[Letter, int]]:
        """Takes letters whose time has come, each with how often it was tried."""

        def look(connection: Connection) -> bool:
            return bool(connection.execute(_DUE, {"present": now, "most": 1}).first())

        def take(connection: Connection) -> list[tuple[Letter, int]]:
            rows = connection.execute(_TAKEN, {"present": now, "most": limit}).all()
            return [
                (self._letter(row), row.attempts)
                for row in rows
                if connection.execute(
                    _LEASE,
                    {
                        "by_id": row.delivery_id,
                        "was_due": row.due_time,
                        "lease_end": lease_end,
                    },
                ).rowcount
            ]

        # Mostly there is none, and then nobody has to write.
        return await self._database.write(take) if await self._database.get(look) else []

    async def reclaim(self, now: datetime) -> int:
        """Makes every letter that waits due; only where no other process uses the store."""
        return await self._database.write(
            lambda connection: connection.execute(_RECLAIM, {"present": now}).rowcount
        )

    async def postpone(self, delivery_id: str, until: datetime) -> None:
        """Gives a letter back, to be tried again then."""
        keys = {"by_id": delivery_id, "until": until}
        await self._database.write(lambda connection: connection.execute(_POSTPONE, keys).rowcount)

    async def drop(self, delivery_id: str) -> None:
        """Forgets a letter."""
        keys = {"by_id": delivery_id}
        await self._database.write(lambda connection: connection.execute(_DROP, keys).rowcount)

    async def next_due(self) -> datetime | None:
        """When the first letter is due."""

        def work(connection: Connection) -> datetime | None:
            found: datetime | None = connection.execute(_NEXT).scalar()
            return found

        return await self._database.get(work)

    def _letter(self, row: Row[Any]) -> Letter:
        sealed = bytes(row.digits)
        digits = self._vault.open(sealed, _context(row.delivery_id)).decode() if sealed else ""
        contact = email(row.email) if row.email else phone(row.phone_number)
        return Letter(
            row.delivery_id,
            Addressee(contact, row.user_name, row.language_code),
            LetterKind(row.kind),
            row.expire_time,
            digits,
            Purpose(row.purpose),
            row.new_contact,
        )


def _context(delivery_id: str) -> str:
    return f"letters/{delivery_id}"
