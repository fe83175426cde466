"""SQLAlchemy engines, set up for each kind of database."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.pool import NullPool

from chassis.sql.translation import is_locked

BUSY_TIMEOUT = 5.0
"""How long a connection waits for another process's lock, in seconds, before OVERLOADED."""

_JOURNAL_LIMIT = 64 * 2**20
_CACHE_KIB = 8192


def path_of(url: str) -> Path | None:
    """The file of a SQLite database; None for a server.

    Raises:
        ValueError: it is SQLite in memory, which has one connection only.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    if not parsed.database or parsed.database == ":memory:":
        raise ValueError(f"{url} names no file; use sqlite:///path/to/file.sqlite3")
    return Path(parsed.database).absolute()


def make_sqlite_file(path: Path) -> None:
    """Makes the file and its folder if they are not there, readable by nobody else."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def sqlite_engine(
    path: Path,
    *,
    begin: str = "",
    query_only: bool = False,
    foreign_keys: bool = True,
    busy_timeout: float = BUSY_TIMEOUT,
) -> Engine:
    """An engine on a SQLite file. It has no pool: a connection is closed when it is given back.

    Args:
        path: the file.
        begin: how SQLAlchemy begins transactions; empty where `SqliteTransactions` does it.
        query_only: whether writing is refused.
        foreign_keys: whether foreign keys are checked; migrations rebuild tables without.
        busy_timeout: how long it waits for another process's lock, in seconds.
    """
    pragmas = [
        f"PRAGMA busy_timeout={int(busy_timeout * 1000)}",
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=NORMAL",
        f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}",
        f"PRAGMA journal_size_limit={_JOURNAL_LIMIT}",
        f"PRAGMA cache_size=-{_CACHE_KIB}",
        f"PRAGMA query_only={'ON' if query_only else 'OFF'}",
    ]
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"check_same_thread": False, "timeout": busy_timeout},
        poolclass=NullPool,
    )

    # The documented way to keep the driver from beginning transactions at its own times.
    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in pragmas:
            _patiently(connection, pragma, busy_timeout)

    if begin:

        @event.listens_for(engine, "begin")
        def begin_transaction(connection: Connection) -> None:
            driver: Any = connection.connection.driver_connection
            driver.execute(begin)

    return engine


def _patiently(connection: sqlite3.Connection, pragma: str, seconds: float) -> None:
    """Executes a pragma; SQLite itself waits for no lock where it turns a new file to its WAL."""
    until = time.monotonic() + seconds
    while True:
        try:
            connection.execute(pragma)
        except sqlite3.OperationalError as error:
            if not is_locked(error) or time.monotonic() > until:
                raise
            time.sleep(0.005)
        else:
            return
