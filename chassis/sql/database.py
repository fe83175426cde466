"""A database: units of work in threads of its own, from the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import structlog
from sqlalchemy import Connection, Engine

from chassis.faults import Unavailable
from chassis.sql.translation import driver_errors_as_faults, lost_a_race

T = TypeVar("T")

_MAX_WAITING = 2000
_RACES = 4

_log = structlog.get_logger("chassis.sql")


class Database:
    """A database. Opened by `open_database`; belongs to the event loop that uses it.

    Work is a function of a connection. It must not keep the connection, must not await, and returns
    plain values: rows are read inside it. It may be run again from its start when a server undoes the
    transaction because of another one, so it changes nothing but the database.

    Args:
        url: where it is, without its password.
        writing: the engine whose transactions write.
        reading: the engine whose transactions read; on a server the same as `writing`.
        here: the engine of `read_here`; None on a server.
        path: the file of a SQLite database; None on a server.
        readers: how many units of work read at once.
        writers: how many write at once; one on SQLite.

    Attributes:
        url: where it is, without its password.
        is_sqlite: whether it is SQLite.
        engine: for migrations and tools; units of work use the methods.
    """

    def __init__(
        self,
        url: str,
        *,
        writing: Engine,
        reading: Engine,
        here: Engine | None,
        path: Path | None,
        readers: int,
        writers: int,
    ) -> None:
        self.url = url
        self.engine = writing
        self.is_sqlite = here is not None
        self._reading = reading
        self._here = here
        self._here_connection: Connection | None = None
        self._here_thread = 0
        self._path = path
        self._readers = ThreadPoolExecutor(readers, "sql-read")
        self._writers = ThreadPoolExecutor(writers, "sql-write")
        self._waiting = 0
        self._waiting_lock = threading.Lock()
        self._closed = False

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Runs work that only reads, on one snapshot of the database, in a thread.

        Raises:
            Unavailable: as in `chassis.sql.translation`; OVERLOADED when too many wait already.
        """
        return await self._in_thread(self._readers, self._read_now, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Runs work in one transaction, in a thread, and commits it if the work does not raise.

        If the caller is cancelled, a transaction that has begun is finished all the same and one that
        still waits for its turn is left out: either way it happens as a whole or not at all.

        Raises:
            IntegrityError: a unique or foreign key, or a check, is broken; nothing was changed.
            Unavailable: as in `chassis.sql.translation`; nothing was changed.
        """
        return await self._in_thread(self._writers, self._write_now, work)

    def read_here(self, work: Callable[[Connection], T]) -> T:
        """Runs a short read by key in the event loop itself: 15 µs where the hop costs 100.

        On SQLite only, and only for reads of a few rows by an index: the loop stands still meanwhile.

        Raises:
            TypeError: the database is a server.
            RuntimeError: the caller is in another thread than the first caller was.
            Unavailable: as in `chassis.sql.translation`.
        """
        if self._here is None:
            raise TypeError("read_here is for SQLite only; use `await database.get(work)`")
        connection = self._here_connection
        if connection is None:
            with driver_errors_as_faults(self._path):
                connection = self._here_connection = self._here.connect()
            self._here_thread = threading.get_ident()
        elif self._here_thread != threading.get_ident():
            raise RuntimeError("read_here belongs to the thread of the event loop")
        with driver_errors_as_faults(self._path):
            try:
                return work(connection)
            finally:
                connection.rollback()

    async def get(self, work: Callable[[Connection], T]) -> T:
        """Runs a short read by key: in the loop itself on SQLite, in a thread on a server.

        Raises:
            Unavailable: as in `chassis.sql.translation`.
        """
        if self._here is not None:
            try:
                return self.read_here(work)
            except Unavailable as fault:
                # Rare: another process recovers or closes the file. A thread can wait for it.
                if fault.reason != "OVERLOADED":
                    raise
        return await self.read(work)

    async def close(self) -> None:
        """Lets the units of work that have begun finish, and closes every connection. May be called twice."""
        if self._closed:
            return
        self._closed = True
        if self._here_connection is not None:
            self._here_connection.close()
            self._here_connection = None
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self._close_now))

    def _close_now(self) -> None:
        for pool in (self._readers, self._writers):
            pool.shutdown(wait=True, cancel_futures=True)
        for engine in (self._here, self._reading, self.engine):
            if engine is not None:
                engine.dispose()

    def _read_now(self, work: Callable[[Connection], T]) -> T:
        with driver_errors_as_faults(self._path), self._reading.connect() as connection:
            return work(connection)

    def _write_now(self, work: Callable[[Connection], T]) -> T:
        with driver_errors_as_faults(self._path):
            for race in range(_RACES):
                try:
                    with self.engine.begin() as connection:
                        return work(connection)
                except Exception as error:
                    if race == _RACES - 1 or not lost_a_race(error):
                        raise
        raise AssertionError("unreachable")

    async def _in_thread(
        self,
        pool: ThreadPoolExecutor,
        run: Callable[[Callable[[Connection], T]], T],
        work: Callable[[Connection], T],
    ) -> T:
        if self._closed:
            raise Unavailable("The service is stopping; try again.", reason="SERVICE_STOPPING")
        if self._waiting >= _MAX_WAITING:
            raise Unavailable(
                "The database has too much to do at present; try again in a moment.",
                reason="OVERLOADED",
                retry_after=1.0,
            )
        with self._waiting_lock:
            self._waiting += 1
        future = pool.submit(run, work)
        future.add_done_callback(self._one_less)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            # The thread owns the transaction; nobody else will hear how it ended.
            future.add_done_callback(_told)
            raise

    def _one_less(self, _future: Future[T]) -> None:
        with self._waiting_lock:
            self._waiting -= 1


def _told(future: Future[T]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        _log.warning("work on the database failed after its caller had gone", error=repr(error))
