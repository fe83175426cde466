"""Opening a database."""

from __future__ import annotations

import asyncio
from functools import partial

from sqlalchemy import make_url

from chassis.clock import Clock
from chassis.sql.database import Database
from chassis.sql.engines import make_sqlite_file, path_of, sqlite_engine
from chassis.sql.migrations import migrate_if_needed
from chassis.sql.servers import server_engine
from chassis.sql.transactions import ServerTransactions, SqliteTransactions

READERS = 4
"""How many units of work read at once by default."""

PATIENCE = 30.0
"""How long a caller waits for a unit of work on a server, in seconds, its turn included."""


async def open_database(
    url: str, schema: str, clock: Clock, *, size: int = READERS, migrate: bool = True
) -> Database:
    """Opens a database at the newest schema.

    Args:
        url: `sqlite:///path/to/file.sqlite3` or `mysql://user:password@host:port/name?option=…`, with
            the options of docs/howto/databases.md.
        schema: the Python package with the migrations, `machines_svc.schema`; see
            `chassis.sql.migrations`.
        clock: for the times that the database's own tables keep.
        size: how many units of work read at once; on a server also how many write. Each of them
            may have a connection of its own.
        migrate: whether to bring an older database up to date; without, it is refused.

    Raises:
        SchemaTooNew: the database was written by a newer version of the program.
        SchemaTooOld: it is older, and `migrate` is false.
        Unavailable: the disk is full, or the server does not answer, or refuses.
        ValueError: the URL names no database, or has an option that there is not.
    """
    del clock  # part of the port: engines that have leases of their own will need it
    return await asyncio.to_thread(partial(_open, url, schema, size=size, migrate=migrate))


def _open(url: str, schema: str, *, size: int, migrate: bool) -> Database:
    path = path_of(url)
    shown = make_url(url).render_as_string(hide_password=True)
    if path is None:
        migrate_if_needed(url, schema, migrate=migrate)
        engine = server_engine(url)
        return Database(
            shown,
            writing=ServerTransactions(engine, commits=True),
            reading=ServerTransactions(engine, commits=False),
            here=None,
            readers=size,
            writers=size,
            patience=PATIENCE,
        )
    make_sqlite_file(path)
    migrate_if_needed(url, schema, migrate=migrate)
    readers = sqlite_engine(path, query_only=True)
    # In the loop nothing may wait long; what would, goes to a thread.
    here = sqlite_engine(path, query_only=True, busy_timeout=0.05)
    return Database(
        shown,
        writing=SqliteTransactions(sqlite_engine(path), path, "BEGIN IMMEDIATE", commits=True),
        reading=SqliteTransactions(readers, path, "BEGIN", commits=False),
        here=SqliteTransactions(here, path, "BEGIN", commits=False),
        readers=size,
        writers=1,
    )
