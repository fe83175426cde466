"""Removing many rows a part at a time, so that no statement takes long and no lock is held for long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Delete

from chassis.sql.database import Database

PART = 2000
"""How many rows one statement removes at most on a server."""


def in_parts(statement: Delete) -> Delete:
    """A DELETE that removes at most `PART` rows on a server, and all of them on SQLite."""
    return statement.with_dialect_options(mysql_limit=PART, mariadb_limit=PART)


async def sweep(database: Database, statement: Delete, key: Mapping[str, Any]) -> int:
    """Removes all rows that a statement of `in_parts` finds, each part in a transaction of its own.

    Args:
        database: where.
        statement: made once, at import time.
        key: the value of each of its parameters.

    Returns:
        How many rows it removed.

    Raises:
        Unavailable: as in `chassis.sql.translation`; a part of the rows may be gone.
    """
    removed = 0
    while True:
        part = await database.write(lambda connection: connection.execute(statement, key).rowcount)
        removed += part
        if part < PART:
            return removed
