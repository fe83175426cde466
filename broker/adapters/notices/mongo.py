"""Notices in a database of documents: each is in the outbox of the document that says it was told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from pymongo.errors import DuplicateKeyError

from broker.domain.letter import Notice
from chassis.bus import Record
from chassis.documents import Documents
from chassis.documents.outbox import publishing

_NOTICES = "notices"
_NOT_TOLD = "-"


class MongoNotices:
    """Tells everybody about dead letters from an outbox in a database of documents."""

    def __init__(
        self,
        documents: Documents,
        records_of: Callable[[Notice], Sequence[Record]],
        wake: Callable[[], object],
    ) -> None:
        """Works on an open database.

        Args:
            documents: at the newest schema.
            records_of: what goes onto the bus; the key of each is the notice's.
            wake: says that there is something to publish.
        """
        self._documents = documents
        self._records_of = records_of
        self._wake = wake

    async def tell(self, notice: Notice) -> None:
        """Publishes a notice, once it is kept that it shall be."""
        new = {"name": notice.key, "fact": _NOT_TOLD, "time": notice.time, "gone": False}
        change = {"$setOnInsert": new, **publishing(self._records_of(notice), notice.time)}
        async with self._documents.work() as database:
            await database[_NOTICES].update_one({"_id": notice.key}, change, upsert=True)
        self._wake()

    async def tell_once(self, notice: Notice) -> bool:
        """Publishes a notice that a letter was added, once for each letter."""
        fact = notice.letter.fact if notice.letter else ""
        told = {"name": notice.key, "fact": fact, "time": notice.time, "gone": False}
        change = {"$set": told, **publishing(self._records_of(notice), notice.time)}
        async with self._documents.work() as database:
            try:
                await database[_NOTICES].update_one(
                    {"_id": notice.key, "fact": {"$ne": fact}}, change, upsert=True
                )
            except DuplicateKeyError:
                return False
        self._wake()
        return True

    async def sweep(self, until: datetime) -> None:
        """Forgets what was told before a time."""
        # What still waits to be published keeps its document.
        empty = {"outbox_since": {"$exists": False}}
        async with self._documents.work() as database:
            await database[_NOTICES].delete_many({"time": {"$lt": until}, **empty})
