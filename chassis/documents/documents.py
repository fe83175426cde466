"""A database of documents, from the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    ConnectionFailure,
    InvalidOperation,
    PyMongoError,
    WaitQueueTimeoutError,
)

from chassis.documents.translation import away, driver_errors_as_faults, overloaded
from chassis.faults import Unavailable

Document = dict[str, Any]
"""A document as the driver reads and writes it."""

_MAX_WAITING = 2000
_AWAY_SECONDS = 2.0
_IDLE_SECONDS = 0.3
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


class Documents:
    """A database of documents. Opened by `open_documents`; belongs to the event loop that uses it.

    Args:
        client: connected.
        name: of the database.
        url: where it is, without its password.
        size: how many units of work are carried out at once; more wait for their turn.
        deadline: how long one unit of work may take, in seconds.

    Attributes:
        url: where it is, without its password.
    """

    def __init__(
        self, client: AsyncMongoClient[Document], name: str, *, url: str, size: int, deadline: float
    ) -> None:
        self.url = url
        self._client = client
        self._database = client[name]
        self._deadline = deadline
        self._turns = asyncio.Semaphore(size)
        self._size = size
        self._wanted = 0
        self._answers = asyncio.Event()
        self._answers.set()
        self._probing: asyncio.Task[None] | None = None
        self._closed = False

    @asynccontextmanager
    async def work(self, deadline: float = 0.0) -> AsyncIterator[AsyncDatabase[Document]]:
        """A unit of work: some statements, all of which end before the deadline.

        Each statement happens as a whole or not at all; the unit does not: between its statements
        others work, and the process may end. If the caller is cancelled, whether the statement that
        was under way has happened is not known. It has a connection to itself, so to speak: no unit
        may wait for another one.

        Args:
            deadline: in seconds; the database's own by default.

        Raises:
            DuplicateKeyError, Unavailable, Invalid: as in `chassis.documents.translation`; OVERLOADED
                also when too many wait already.
        """
        if self._closed:
            raise _stopping()
        if self._wanted >= _MAX_WAITING:
            raise overloaded()
        self._wanted += 1
        has_turn = False
        try:
            # Not the driver's own deadlines: what it has left of one is the time in which it must
            # connect, and where that fails it throws every connection away, until all calls fail.
            async with asyncio.timeout(deadline or self._deadline) as limit:
                await self._until_it_answers()
                async with self._turns:
                    has_turn = True
                    with driver_errors_as_faults():
                        yield self._database
        except TimeoutError:
            if not limit.expired():
                raise
            raise (away() if has_turn else overloaded()) from None
        except Unavailable as fault:
            if _is_lost(fault):
                self._lost()
            raise
        except InvalidOperation:
            if self._closed:
                raise _stopping() from None
            raise
        finally:
            self._wanted -= 1

    async def find_one(
        self, collection: str, wanted: Mapping[str, Any], *fields: str
    ) -> Document | None:
        """Reads one document; None where there is none.

        Args:
            collection: where.
            wanted: the filter.
            fields: which fields are read; all where none is named.

        Raises:
            Unavailable: as in `chassis.documents.translation`.
        """
        async with self.work() as database:
            return await database[collection].find_one(dict(wanted), list(fields) or None)

    def problem(self) -> str | None:
        """None while the database answers, else a sentence about it; asks nobody."""
        is_there = self._client.topology_description.has_writable_server()
        if self._closed or (self._answers.is_set() and is_there):
            return None
        return "the database does not answer"

    async def close(self) -> None:
        """Closes every connection; who waits gets SERVICE_STOPPING. May be called twice."""
        if self._closed:
            return
        self._closed = True
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
        await self._client.close()

    async def _until_it_answers(self) -> None:
        if self._answers.is_set():
            return
        try:
            async with asyncio.timeout(_AWAY_SECONDS):
                await self._answers.wait()
        except TimeoutError:
            raise away() from None

    def _lost(self) -> None:
        """Lets nobody begin until the server has answered one: a crowd keeps the driver from it.

        What was under way when a connection was lost makes the driver throw away the next ones too.
        """
        if self._answers.is_set() and not self._closed:
            self._answers.clear()
            self._probing = asyncio.create_task(self._probe(), name="documents probe")

    async def _probe(self) -> None:
        await self._until_idle()
        pause = _FIRST_PAUSE
        while True:
            try:
                async with asyncio.timeout(_AWAY_SECONDS):
                    await self._database.command("ping")
            except (PyMongoError, TimeoutError):
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._answers.set()
                return

    async def _until_idle(self) -> None:
        """Waits, for a moment, until nothing is under way."""
        had = 0
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                for _ in range(self._size):
                    await self._turns.acquire()
                    had += 1
        except TimeoutError:
            pass
        finally:
            for _ in range(had):
                self._turns.release()


def _is_lost(fault: Unavailable) -> bool:
    cause = fault.__cause__
    return isinstance(cause, ConnectionFailure) and not isinstance(cause, WaitQueueTimeoutError)


def _stopping() -> Unavailable:
    return Unavailable("The service is stopping; try again.", reason="SERVICE_STOPPING")
