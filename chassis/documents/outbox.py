"""The outbox in a document: state and facts are written by one statement, and published afterwards.

What waits stands in the document's array `outbox`; since when, in `outbox_since`, which only documents
with something to publish have, so that its index holds those alone:

    await machines.update_one(
        {"_id": name, "version": 3},
        {"$set": {…}, **publishing(records, now)},
    )

A document that is removed becomes a tombstone, `gone: true`, until its last fact is published. All
reads leave tombstones out; a new document under the same `_id` takes the tombstone's place and its
outbox, so that the facts of both stay in order:

    await machines.update_one({"_id": name, "gone": True}, {"$set": {"gone": False, …}}, upsert=True)
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any
from uuid import uuid4

from pymongo import UpdateOne
from pymongo.asynchronous.collection import AsyncCollection

from chassis.bus import Bus, Record
from chassis.bus.outbox import Publishing
from chassis.bus.port import check_records
from chassis.clock import Clock
from chassis.documents.documents import Document, Documents

_DOCUMENTS = 200
_RECORDS_OF_ONE = 100
_MAX_BYTES = 8 * 2**20
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


def publishing(records: Sequence[Record], now: datetime) -> Document:
    """The parts of an update that put records into the outbox of the document.

    Args:
        records: in the order in which they shall be consumed; of the key that the document is about.
        now: the present.

    Returns:
        `$push` and `$min`; nothing where there are no records.

    Raises:
        Invalid: a record is not one that the bus can carry.
    """
    if not records:
        return {}
    check_records(records)
    written = [waiting(record, uuid4().hex, now) for record in records]
    return {"$push": {"outbox": {"$each": written}}, "$min": {"outbox_since": now}}


def waiting(record: Record, known_by: str, now: datetime) -> Document:
    """A record as it stands in an outbox."""
    return {
        "id": known_by,
        "topic": record.topic,
        "key": record.key,
        "value": record.value,
        # As pairs: names of headers need not be names that fields may have.
        "headers": [[name, value] for name, value in record.headers.items()],
        "time": now,
    }


def record_of(written: Document) -> Record:
    """A record that waits in an outbox."""
    headers = {str(name): str(value) for name, value in written["headers"]}
    return Record(written["topic"], written["key"], bytes(written["value"]), headers)


async def index_outbox(collection: AsyncCollection[Document]) -> None:
    """Makes the index by which a relay finds what waits; for migrations."""
    await collection.create_index("outbox_since", name="outbox_since", sparse=True)


class DocumentRelay(Publishing):
    """Publishes what is in the outboxes of a collection.

    Args:
        documents: where the collection is.
        collection: its name.
        bus: where to publish.
        clock: for the delays while the bus is away.
    """

    def __init__(
        self, documents: Documents, collection: str, bus: Bus, clock: Clock | None = None
    ) -> None:
        super().__init__(_DocumentOutbox(documents, collection), bus, clock)


class _DocumentOutbox:
    """The outboxes of a collection; see `chassis.bus.outbox.Outbox`."""

    def __init__(self, documents: Documents, collection: str) -> None:
        self._documents = documents
        self._collection = collection

    async def waiting(self) -> Sequence[tuple[Any, Record]]:
        found: list[tuple[Any, Record]] = []
        empty: list[Any] = []
        size = 0
        async with self._documents.work() as database:
            pending = (
                database[self._collection]
                .find(
                    {"outbox_since": {"$gt": _EVER}},
                    {"outbox_since": 1, "outbox": {"$slice": _RECORDS_OF_ONE}},
                )
                .sort("outbox_since")
                .limit(_DOCUMENTS)
            )
            # With a limit the server sends 16 MB at a time at most, and closes by itself.
            async with pending:
                async for document in pending:
                    if not document.get("outbox"):
                        empty.append(document["_id"])
                    for written in document.get("outbox", ()):
                        found.append(((document["_id"], written["id"]), record_of(written)))
                        size += len(written["value"])
                        if size >= _MAX_BYTES:
                            return found
        if empty:
            # Their records were removed by a process that ended before it could do this.
            await self._settle(empty)
        return found

    async def remove(self, published: Sequence[Any]) -> None:
        of_each = [
            (document, [record for _, record in records])
            for document, records in groupby(published, key=lambda known_by: known_by[0])
        ]
        pulls = [
            UpdateOne({"_id": document}, {"$pull": {"outbox": {"id": {"$in": records}}}})
            for document, records in of_each
        ]
        async with self._documents.work() as database:
            await database[self._collection].bulk_write(pulls, ordered=False)
        await self._settle([document for document, _ in of_each])

    async def _settle(self, documents: Sequence[Any]) -> None:
        """Removes tombstones that have nothing more to say, and what marks a document as pending."""
        emptied = {"_id": {"$in": list(documents)}, "outbox": []}
        async with self._documents.work() as database:
            collection = database[self._collection]
            await collection.delete_many({**emptied, "gone": True})
            await collection.update_many(emptied, {"$unset": {"outbox_since": ""}})
