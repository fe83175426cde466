"""A database: units of work in threads of its own, from the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection

from chassis.faults import Unavailable
from chassis.sql.prepared import Prepared
from chassis.sql.transactions import SqliteTransactions, Transactions
from chassis.sql.translation import away, overloaded

T = TypeVar("T")

_MAX_WAITING = 2000

_log = structlog.get_logger("chassis.sql")


class Database:
    """A database. Opened by `open_database`; belongs to the event loop that uses it.

    Work is a function of a connection. It must not keep the connection, must not await, and returns
    plain values: rows are read inside it. It may be run again from its start when a server undoes the
    transaction because of another one, so it changes nothing but the database.

    Args:
        url: where it is, without its password.
        writing: what runs work that writes.
        reading: what runs work that reads.
        here: what runs `read_here`; None on a server.
        readers: how many units of work read at once.
        writers: how many write at once; one on SQLite.
        patience: how long a caller waits for a unit of work, in seconds, its turn included; None for
            as long as it takes.

    Attributes:
        url: where it is, without its password.
        is_sqlite: whether it is SQLite.
    """

    def __init__(
        self,
        url: str,
        *,
        writing: Transactions,
        reading: Transactions,
        here: SqliteTransactions | None,
        readers: int,
        writers: int,
        patience: float | None = None,
    ) -> None:
        self.url = url
        self.is_sqlite = here is not None
        self._writing = writing
        self._reading = reading
        self._here = here
        self._here_thread = 0
        self._patience = patience
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
        return await self._in_thread(self._readers, self._reading, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Runs work in one transaction, in a thread, and commits it if the work does not raise.

        If the caller is cancelled, a transaction that has begun is finished all the same and one that
        still waits for its turn is left out: either way it happens as a whole or not at all.

        Raises:
            IntegrityError: a unique or foreign key, or a check, is broken; nothing was changed.
            Unavailable: as in `chassis.sql.translation`; nothing was changed. Where a server is lost
                in the middle of it, nobody knows: it happened as a whole or not at all.
        """
        return await self._in_thread(self._writers, self._writing, work)

    def read_here(self, work: Callable[[Connection], T]) -> T:
        """Runs a short read by key in the event loop itself: 30 µs where a hop costs 150.

        On SQLite only, and only for reads of a few rows by an index: the loop stands still meanwhile.

        Raises:
            TypeError: the database is a server.
            RuntimeError: the caller is in another thread than the first caller was.
            Unavailable: as in `chassis.sql.translation`.
        """
        if self._here is None:
            raise TypeError("read_here is for SQLite only; use `await database.get(work)`")
        self._check_here()
        return self._here.run(work)

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

    async def first(self, prepared: Prepared, key: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The first row of a read by key; None where there is none. As `rows`."""
        return next(iter(await self.rows(prepared, key)), None)

    async def rows(self, prepared: Prepared, key: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """The few rows of a read by key.

        The cheapest read: on SQLite in the loop itself, by the driver alone.

        Args:
            prepared: made once, at import time.
            key: the value of each parameter.

        Raises:
            Unavailable: as in `chassis.sql.translation`.
        """
        if self._here is not None:
            self._check_here()
            try:
                return self._here.rows(prepared, key)
            except Unavailable as fault:
                # As in `get`.
                if fault.reason != "OVERLOADED":
                    raise
        return await self.read(lambda connection: prepared.rows(connection, key))

    async def close(self) -> None:
        """Lets the units of work that have begun finish, and closes every connection. May be called twice."""
        if self._closed:
            return
        self._closed = True
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self._close_now))

    def _check_here(self) -> None:
        """Looks whether the caller may read in the event loop itself."""
        if self._closed:
            raise _stopping()
        if self._here_thread != threading.get_ident():
            if self._here_thread:
                raise RuntimeError("reads in the loop belong to the thread of the event loop")
            self._here_thread = threading.get_ident()

    def _close_now(self) -> None:
        for pool in (self._readers, self._writers):
            pool.shutdown(wait=True, cancel_futures=True)
        for transactions in (self._here, self._reading, self._writing):
            if transactions is not None:
                transactions.close()

    async def _in_thread(
        self,
        pool: ThreadPoolExecutor,
        transactions: Transactions,
        work: Callable[[Connection], T],
    ) -> T:
        if self._closed:
            raise _stopping()
        if self._waiting >= _MAX_WAITING:
            raise overloaded()
        with self._waiting_lock:
            self._waiting += 1
        # What is done in the thread has the cause of whoever asked for it.
        future = pool.submit(copy_context().run, transactions.run, work)
        future.add_done_callback(self._one_less)
        try:
            async with asyncio.timeout(self._patience) as patience:
                return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            # The thread owns the transaction; nobody else will hear how it ended.
            future.add_done_callback(_told)
            raise
        except TimeoutError:
            if not patience.expired():
                raise
            future.add_done_callback(_told)
            raise (overloaded() if future.cancelled() else away()) from None

    def _one_less(self, _future: Future[T]) -> None:
        with self._waiting_lock:
            self._waiting -= 1


def _stopping() -> Unavailable:
    return Unavailable("The service is stopping; try again.", reason="SERVICE_STOPPING")


def _told(future: Future[T]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        _log.warning("work on the database failed after its caller had gone", error=repr(error))
