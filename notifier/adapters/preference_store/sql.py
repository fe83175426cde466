"""Preferences in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from chassis.faults import Conflict
from chassis.sql import Database
from notifier.domain.kind import Kind
from notifier.domain.preference import Preferences, Way
from notifier.schema.tables import PREFERENCES

_ONE = select(PREFERENCES).where(PREFERENCES.c.user_name == bindparam("by_user_name"))
_ADD = insert(PREFERENCES)
_CHANGE = (
    update(PREFERENCES)
    .where(
        PREFERENCES.c.user_name == bindparam("by_user_name"),
        PREFERENCES.c.version == bindparam("was"),
    )
    .values(
        chosen=bindparam("becomes"),
        version=PREFERENCES.c.version + 1,
        update_time=bindparam("present"),
    )
)
_ERASE = delete(PREFERENCES).where(PREFERENCES.c.user_name == bindparam("by_user_name"))

Chosen = Mapping[Kind, Mapping[Way, bool]]


class SqlPreferenceStore:
    """A PreferenceStore on MySQL and SQLite.

    Args:
        database: where the table is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, user: str) -> Preferences:
        """What a person has chosen; of version 0 where that is nothing."""
        return await self._database.get(lambda connection: _read(connection, user))

    async def change(
        self, user: str, changes: Chosen, version: int | None, now: datetime
    ) -> Preferences:
        """Changes what is chosen of some kinds; the others stay as they are.

        Raises:
            Conflict: ETAG_STALE, they are not of that version; nothing was changed.
        """

        def work(connection: Connection) -> Preferences:
            known = _read(connection, user)
            if version is not None and version != known.version:
                raise _stale()
            chosen = known.with_choices(changes)
            if known.version == 0:
                connection.execute(
                    _ADD,
                    {
                        "user_name": user,
                        "chosen": _plain(chosen),
                        "version": 1,
                        "update_time": now,
                    },
                )
            else:
                keys = {
                    "by_user_name": user,
                    "was": known.version,
                    "becomes": _plain(chosen),
                    "present": now,
                }
                if not connection.execute(_CHANGE, keys).rowcount:
                    raise _stale()
            return Preferences(user, chosen, known.version + 1, now)

        try:
            return await self._database.write(work)
        except IntegrityError:
            # Somebody else has made them at the same moment.
            raise _stale() from None

    async def erase(self, user: str) -> None:
        """Forgets what a person has chosen."""
        await self._database.write(
            lambda connection: connection.execute(_ERASE, {"by_user_name": user}).rowcount
        )


def _read(connection: Connection, user: str) -> Preferences:
    row = connection.execute(_ONE, {"by_user_name": user}).first()
    if row is None:
        return Preferences(user)
    return Preferences(user, _rich(row.chosen), row.version, row.update_time)


def _plain(chosen: Chosen) -> dict[str, dict[str, bool]]:
    return {
        kind.value: {way.value: wanted for way, wanted in ways.items()}
        for kind, ways in chosen.items()
    }


def _rich(stored: Mapping[str, Mapping[str, Any]]) -> Chosen:
    # What a later version has written of kinds and ways that this one does not know is passed over.
    kinds, ways = {kind.value for kind in Kind}, {way.value for way in Way}
    return {
        Kind(kind): {Way(way): bool(wanted) for way, wanted in chosen.items() if way in ways}
        for kind, chosen in stored.items()
        if kind in kinds
    }


def _stale() -> Conflict:
    return Conflict(
        "The preferences were changed since they were read; read them again, and send that etag.",
        reason="ETAG_STALE",
    )
