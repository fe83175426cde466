"""A database of documents, from the event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pymongo
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import InvalidOperation

from chassis.documents.translation import driver_errors_as_faults, overloaded
from chassis.faults import Unavailable

Document = dict[str, Any]
"""A document as the driver reads and writes it."""

_MAX_WAITING = 2000


class Documents:
    """A database of documents. Opened by `open_documents`; belongs to the event loop that uses it.

    Args:
        client: connected.
        name: of the database.
        url: where it is, without its password.
        deadline: how long one unit of work may take, in seconds.

    Attributes:
        url: where it is, without its password.
    """

    def __init__(
        self, client: AsyncMongoClient[Document], name: str, *, url: str, deadline: float
    ) -> None:
        self.url = url
        self._client = client
        self._database = client[name]
        self._deadline = deadline
        self._working = 0
        self._closed = False

    @asynccontextmanager
    async def work(self, deadline: float = 0.0) -> AsyncIterator[AsyncDatabase[Document]]:
        """A unit of work: some statements, all of which end before the deadline.

        Each statement happens as a whole or not at all; the unit does not: between its statements
        others work, and the process may end. If the caller is cancelled, whether the statement that
        was under way has happened is not known.

        Args:
            deadline: in seconds; the database's own by default.

        Raises:
            DuplicateKeyError, Unavailable, Invalid: as in `chassis.documents.translation`; OVERLOADED
                also when too many wait already.
        """
        if self._closed:
            raise _stopping()
        if self._working >= _MAX_WAITING:
            raise overloaded()
        self._working += 1
        try:
            with pymongo.timeout(deadline or self._deadline), driver_errors_as_faults():
                yield self._database
        except InvalidOperation:
            if self._closed:
                raise _stopping() from None
            raise
        finally:
            self._working -= 1

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
        """None while the database answers, else a sentence about it; asks nobody.

        The driver looks every 10 s, every half second while it is away, and hears of it at once
        when a call fails.
        """
        if self._closed or self._client.topology_description.has_writable_server():
            return None
        return "the database does not answer"

    async def close(self) -> None:
        """Closes every connection; who waits gets SERVICE_STOPPING. May be called twice."""
        if self._closed:
            return
        self._closed = True
        await self._client.close()


def _stopping() -> Unavailable:
    return Unavailable("The service is stopping; try again.", reason="SERVICE_STOPPING")
