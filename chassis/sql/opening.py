"""Opening a database."""

from __future__ import annotations

import asyncio
from functools import partial

from sqlalchemy import make_url

from chassis.clock import Clock
from chassis.sql.database import Database
from chassis.sql.engines import make_sqlite_file, path_of, server_engine, sqlite_engine
from chassis.sql.migrations import migrate_if_needed

READERS = 4
"""How many units of work read at once by default."""


async def open_database(
    url: str, schema: str, clock: Clock, *, size: int = READERS, migrate: bool = True
) -> Database:
    """Opens a database at the newest schema.

    Args:
        url: `sqlite:///path/to/file.sqlite3` or `mysql+mysqlconnector://user:password@host/name`.
        schema: the Python package with the migrations, `machines_svc.schema`; see
            `chassis.sql.migrations`.
        clock: for the times that the database's own tables keep.
        size: how many units of work read at once; on a server also how many write.
        migrate: whether to bring an older database up to date; without, it is refused.

    Raises:
        SchemaTooNew: the database was written by a newer version of the program.
        SchemaTooOld: it is older, and `migrate` is false.
        Unavailable: the disk is full, or the server does not answer.
    """
    del clock  # part of the port: engines that have leases of their own will need it
    return await asyncio.to_thread(partial(_open, url, schema, size=size, migrate=migrate))


def _open(url: str, schema: str, *, size: int, migrate: bool) -> Database:
    path = path_of(url)
    shown = make_url(url).render_as_string(hide_password=True)
    if path is None:
        engine = server_engine(url, size=size)
        migrate_if_needed(engine, schema, None, migrate=migrate)
        return Database(
            shown, writing=engine, reading=engine, here=None, path=None, readers=size, writers=size
        )
    make_sqlite_file(path)
    migrating = sqlite_engine(
        path, begin="BEGIN IMMEDIATE", size=0, foreign_keys=False, busy_timeout=60.0
    )
    migrate_if_needed(migrating, schema, path, migrate=migrate)
    return Database(
        shown,
        writing=sqlite_engine(path, begin="BEGIN IMMEDIATE", size=1),
        reading=sqlite_engine(path, begin="BEGIN", size=size, query_only=True),
        here=sqlite_engine(path, begin="BEGIN", size=1, query_only=True, busy_timeout=0.05),
        path=path,
        readers=size,
        writers=1,
    )
