"""How a unit of work is run on each kind of database."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine

from chassis.sql.lookups import Lookup
from chassis.sql.translation import driver_errors_as_faults, lost_a_race

T = TypeVar("T")

_RACES = 4


class Transactions(Protocol):
    """Runs units of work, each as a whole or not at all; from any thread."""

    def run(self, work: Callable[[Connection], T]) -> T:
        """Runs the work in a transaction and ends it.

        Raises:
            Unavailable: as in `chassis.sql.translation`.
        """
        ...

    def close(self) -> None:
        """Closes all connections; no work may be running."""
        ...


class SqliteTransactions:
    """Transactions on a SQLite file.

    Each thread keeps one connection, and begins and ends its transactions with the driver: to
    SQLAlchemy it is one transaction that never ends. That halves what a short unit of work costs,
    because an engine with listeners takes a slower way through every statement.

    Args:
        engine: for the file; its driver must begin no transactions by itself.
        path: the file.
        begin: `BEGIN IMMEDIATE`, which takes the lock for writing at once, so that no transaction
            fails half-way because another has written meanwhile; or `BEGIN`, for a snapshot.
        commits: whether the transactions are committed; those that read are rolled back.
    """

    def __init__(self, engine: Engine, path: Path, begin: str, *, commits: bool) -> None:
        self._engine = engine
        self._path = path
        self._begin = begin
        self._commits = commits
        self._mine = threading.local()
        self._all: list[Connection] = []

    def run(self, work: Callable[[Connection], T]) -> T:
        """See `Transactions`."""
        with driver_errors_as_faults(self._path):
            connection, driver = self._connection()
            driver.execute(self._begin)
            try:
                result = work(connection)
                if self._commits:
                    # SQLite undoes a transaction by itself when it cannot go on, as on a full disk.
                    # Work that goes on after that has not been done as a whole.
                    if not driver.in_transaction:
                        raise AssertionError("the work hid an error that undid its transaction")
                    driver.commit()
            finally:
                driver.rollback()
        return result

    def first(self, lookup: Lookup, key: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Runs a lookup alone: one statement sees one snapshot also without a transaction.

        Raises:
            Unavailable: as in `chassis.sql.translation`.
        """
        connection, driver = self._connection()
        try:
            return lookup.first_of_driver(driver, connection.dialect, key)
        except sqlite3.Error:
            with driver_errors_as_faults(self._path):
                raise

    def close(self) -> None:
        """See `Transactions`."""
        for connection in self._all:
            connection.close()
        self._all.clear()
        self._engine.dispose()

    def _connection(self) -> tuple[Connection, Any]:
        try:
            return self._mine.connection, self._mine.driver
        except AttributeError:
            connection = self._engine.connect()
            self._all.append(connection)
            self._mine.connection = connection
            self._mine.driver = connection.connection.driver_connection
            return connection, self._mine.driver


class ServerTransactions:
    """Transactions on a database server, with connections from a pool.

    Args:
        engine: for the server.
        commits: whether the transactions are committed; those that read are rolled back.
    """

    def __init__(self, engine: Engine, *, commits: bool) -> None:
        self._engine = engine
        self._commits = commits

    def run(self, work: Callable[[Connection], T]) -> T:
        """See `Transactions`. Work that loses a race for locks is run again, three times at most."""
        with driver_errors_as_faults(None):
            for _ in range(_RACES - 1):
                try:
                    return self._run(work)
                except Exception as error:
                    if not lost_a_race(error):
                        raise
            return self._run(work)

    def close(self) -> None:
        """See `Transactions`."""
        self._engine.dispose()

    def _run(self, work: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            result = work(connection)
            if self._commits:
                connection.commit()
            return result
