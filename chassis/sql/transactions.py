"""How a unit of work is run on each kind of database."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Protocol, TypeVar

import structlog
from sqlalchemy import Connection, Engine

from chassis.sql.prepared import Prepared
from chassis.sql.translation import driver_errors_as_faults, lost_a_race, lost_its_server

T = TypeVar("T")

_log = structlog.get_logger("chassis.sql")

_RACES = 8
_RACE_PAUSE = 0.001
_RACING_SECONDS = 5.0
_AT_ONCE = 1.0

# A firewall may have forgotten a connection that was quiet for longer, and a server may have been
# replaced by another one of the same name.
_IDLE_SECONDS = 240.0
_LIFE_SECONDS = 1800.0

_WRITING = "ISOLATION LEVEL READ COMMITTED, READ WRITE"
_READING = "ISOLATION LEVEL REPEATABLE READ, READ ONLY"


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

    def rows(self, prepared: Prepared, key: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Runs a prepared read alone: one statement sees one snapshot also without a transaction.

        Raises:
            Unavailable: as in `chassis.sql.translation`.
        """
        connection, driver = self._connection()
        try:
            return prepared.rows_of_driver(driver, connection.dialect, key)
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
    """Transactions on a database server.

    Each thread keeps one connection: as many as there are threads, and no pool to wait for. Nothing
    asks first whether a connection still works, which would cost each unit of work a round trip. If
    its first use finds the server gone, as after a restart, the work is run again on a new one.

    Args:
        engine: for the server, without a pool.
        commits: whether the transactions are committed; those that read see one snapshot, cannot
            write, and are rolled back.
    """

    def __init__(self, engine: Engine, *, commits: bool) -> None:
        self._engine = engine
        self._commits = commits
        self._mine = threading.local()
        self._all: set[_Held] = set()
        self._all_lock = threading.Lock()

    def run(self, work: Callable[[Connection], T]) -> T:
        """See `Transactions`.

        Work that loses a race for locks is run again, some times and for some seconds at most.
        """
        deadline = monotonic() + _RACING_SECONDS
        races = 0
        with driver_errors_as_faults(None):
            while True:
                held, is_new = self._held()
                began = monotonic()
                try:
                    return self._run(held, work)
                except Exception as error:
                    if lost_its_server(error):
                        # A statement that was sent and not answered for long is not sent again; nor is
                        # a commit, which may have happened.
                        if is_new or held.is_ending or monotonic() - began > _AT_ONCE:
                            raise
                    elif not lost_a_race(error) or races == _RACES or monotonic() > deadline:
                        raise
                    else:
                        races += 1
                        # Not all of them at the same moment again.
                        sleep(random.uniform(0, _RACE_PAUSE * 2**races))  # noqa: S311 - no secret

    def close(self) -> None:
        """See `Transactions`."""
        for held in list(self._all):
            self._discard(held)
        self._engine.dispose()

    def _run(self, held: _Held, work: Callable[[Connection], T]) -> T:
        held.is_ending = False
        try:
            result = work(held.connection)
            held.is_ending = self._commits
            held.driver.cmd_query("COMMIT" if self._commits else "ROLLBACK")
        except BaseException as error:
            self._undo(held, error)
            raise
        held.used = monotonic()
        return result

    def _undo(self, held: _Held, error: BaseException) -> None:
        try:
            if not lost_its_server(error):
                # By SQLAlchemy, which then forgets savepoints too.
                held.connection.rollback()
                held.used = monotonic()
                return
        except Exception:  # noqa: BLE001 - whatever it is, the connection is not used again
            _log.warning("a transaction could not be undone, its connection is closed")
        self._discard(held)

    def _held(self) -> tuple[_Held, bool]:
        """This thread's connection, and whether it was made just now."""
        held: _Held | None = getattr(self._mine, "held", None)
        now = monotonic()
        if held is not None and held in self._all:
            if now - held.used < _IDLE_SECONDS and now - held.made < _LIFE_SECONDS:
                return held, False
            self._discard(held)
        connection = self._engine.connect()
        driver: Any = connection.connection.driver_connection
        held = self._mine.held = _Held(connection, driver, now)
        with self._all_lock:
            self._all.add(held)
        try:
            access = _WRITING if self._commits else _READING
            driver.cmd_query(f"SET SESSION TRANSACTION {access}")
        except Exception:
            self._discard(held)
            raise
        return held, True

    def _discard(self, held: _Held) -> None:
        with self._all_lock:
            self._all.discard(held)
        held.connection.invalidate()
        held.connection.close()


class _Held:
    """A connection of one thread."""

    __slots__ = ("connection", "driver", "is_ending", "made", "used")

    def __init__(self, connection: Connection, driver: Any, now: float) -> None:
        self.connection = connection
        self.driver = driver
        self.made = now
        self.used = now
        # Whether its transaction was told to commit.
        self.is_ending = False
