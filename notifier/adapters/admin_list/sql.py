"""Who the admins are, in SQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from chassis.sql import Database, upsert
from notifier.schema.tables import ADMINS

_ONE = select(ADMINS).where(ADMINS.c.user_name == bindparam("by_user_name"))
_HELD = _ONE.with_for_update()
_PUT = upsert(ADMINS, None, ["user_name"], ["version", "is_admin"])
_ALL = select(ADMINS.c.user_name).where(ADMINS.c.is_admin == 1).order_by(ADMINS.c.user_name)


class SqlAdminList:
    """An AdminList on MySQL and SQLite: a row for each who is one, or was.

    Args:
        database: where the table is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def learn(self, user: str, version: int, *, is_admin: bool) -> None:
        """Learns whether somebody is an admin; nothing where a newer version is known."""

        def is_news(connection: Connection, query: Select[Any] = _ONE) -> bool:
            row = connection.execute(query, {"by_user_name": user}).first()
            if row is None:
                return is_admin
            return bool(row.version < version and bool(row.is_admin) is not is_admin)

        def work(connection: Connection) -> None:
            if is_news(connection, _HELD):
                row = {"user_name": user, "version": version, "is_admin": int(is_admin)}
                connection.execute(_PUT, row)

        # Most people never are, and then nobody has to write.
        if await self._database.get(is_news):
            await self._database.write(work)

    async def all(self) -> list[str]:
        """The admins, by name."""
        return await self._database.get(lambda connection: list(connection.execute(_ALL).scalars()))
