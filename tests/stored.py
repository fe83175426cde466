"""What the stores of services have, read past the services."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from servers import mysql_login


def rows(store: Path | str, statement: str) -> list[tuple[Any, ...]]:
    """The rows that a SQL store answers with.

    Args:
        store: its file, or its URL on a server.
        statement: what it is asked.
    """
    if isinstance(store, Path):
        with closing(sqlite3.connect(store)) as file:
            return file.execute(statement).fetchall()
    import mysql.connector

    parts = urlsplit(store)
    with (
        mysql.connector.connect(**mysql_login(parts), database=parts.path.strip("/")) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
        return list(cursor.fetchall())


def leased_ports(store: Path | str) -> list[int]:
    """The ports that allocations have, by the store of allocation_svc; a folder is that of its file."""
    if isinstance(store, Path) and store.is_dir():
        store /= "allocations.sqlite3"
    found = rows(store, "SELECT port FROM port_leases WHERE allocation <> ''")
    return sorted(port for (port,) in found)
