"""Collections as the tables that they stand for, so that what is kept can move between kinds of stores.

A collection has the name of a table, and its documents have a field for each column, with the value
that the table's column has in Python: text, numbers, bools, bytes, None, aware datetimes in UTC and
milliseconds, and dicts and lists where the column holds JSON. Beside these a document has its `_id`
and what documents alone need.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from bson.int64 import Int64
from pymongo import ReplaceOne, UpdateOne
from pymongo.errors import DuplicateKeyError
from sqlalchemy import Table

from chassis.bus import Record
from chassis.documents.documents import Document, Documents
from chassis.documents.outbox import record_of, waiting

Row = dict[str, Any]
"""A row of a table, by column name."""

_PAGE = 100
_MAX_BYTES = 4 * 2**20
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """A collection, and the table that it stands for.

    Attributes:
        table: the table: its name is the collection's; its primary key, in the order of its columns,
            is the `_id`, see `key`.
        shown: which documents are rows: tombstones, for one, are not.
        more: gives the fields that only the document has, from its row.
        settle: called before a dump: brings what still stands elsewhere to where the table has it.
        outbox_of: where the table is an outbox, the collection whose documents hold it. Its records
            belong to the document whose `_id` is their key.
    """

    table: Table
    shown: Mapping[str, Any]
    more: Callable[[Row], Document]
    settle: Callable[[Documents], Awaitable[None]] | None = None
    outbox_of: str = ""

    @property
    def name(self) -> str:
        """Of the collection and the table."""
        return self.table.name

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the table's columns."""
        return tuple(column.name for column in self.table.columns)

    def key_of(self, row: Mapping[str, Any]) -> str | int:
        """The `_id` of a row."""
        return key(*(row[column.name] for column in self.table.primary_key))


def key(*parts: str | int) -> str | int:
    """An `_id` of the values of a primary key, in the order of its columns.

    One value stands for itself; several are the text of a JSON array. Documents as `_id` would do, but
    depend on the order of their fields, and are rarely used enough for servers to differ about them.
    """
    return parts[0] if len(parts) == 1 else orjson.dumps(parts).decode()


def collection(
    table: Table,
    *,
    shown: Mapping[str, Any] | None = None,
    more: Callable[[Row], Document] | None = None,
    settle: Callable[[Documents], Awaitable[None]] | None = None,
) -> CollectionSpec:
    """A collection that stands for a table; see `CollectionSpec`."""
    return CollectionSpec(table, shown or {}, more or (lambda _: {}), settle)


def outbox(table: Table, of: str) -> CollectionSpec:
    """An outbox that is in the documents of another collection; see `CollectionSpec`."""
    return CollectionSpec(table, {"outbox": {"$nin": [[], None]}}, lambda _: {}, None, of)


async def dump(documents: Documents, spec: CollectionSpec) -> AsyncIterator[Row]:
    """The rows of a collection, by their key; not of one moment if somebody writes meanwhile.

    Raises:
        Unavailable: the server does not answer.
    """
    if spec.settle is not None:
        await spec.settle(documents)
    number = 0
    async for document in pages(documents, spec.outbox_of or spec.name, spec.shown):
        if not spec.outbox_of:
            yield {name: _plain(document.get(name)) for name in spec.columns}
            continue
        for written in document["outbox"]:
            number += 1
            record = record_of(written)
            yield {
                "id": number,
                "topic": record.topic,
                "key": record.key,
                "value": record.value,
                "headers": dict(record.headers),
                "time": written["time"],
            }


async def load(
    documents: Documents, spec: CollectionSpec, rows: AsyncIterable[Mapping[str, Any]]
) -> int:
    """Writes rows into a collection: a row of a key that is there replaces it.

    Load the collections in the order in which the service names them; nobody else may write.

    Returns:
        How many rows there were.

    Raises:
        Unavailable: the server does not answer; start again with an empty database.
        Invalid: a row is larger than a document may be.
    """
    count = size = 0
    writes: list[ReplaceOne[Document] | UpdateOne] = []
    async for row in rows:
        count += 1
        size += sum(len(value) for value in row.values() if isinstance(value, bytes | str))
        if spec.outbox_of:
            await _wait_again(documents, spec, row)
            continue
        document = {"_id": spec.key_of(row), **row, **spec.more(dict(row))}
        writes.append(ReplaceOne({"_id": document["_id"]}, document, upsert=True))
        if len(writes) >= _PAGE or size >= _MAX_BYTES:
            await _write(documents, spec.name, writes)
            writes, size = [], 0
    await _write(documents, spec.name, writes)
    return count


async def _write(
    documents: Documents, name: str, writes: list[ReplaceOne[Document] | UpdateOne]
) -> None:
    if writes:
        async with documents.work(_PATIENCE) as database:
            await database[name].bulk_write(writes, ordered=False)


async def _wait_again(documents: Documents, spec: CollectionSpec, row: Mapping[str, Any]) -> None:
    """Puts a row of an outbox into the document that it is about, or into a tombstone."""
    known_by = f"row-{row['id']}"
    record = Record(row["topic"], row["key"], row["value"], row["headers"])
    update = {
        "$push": {"outbox": waiting(record, known_by, row["time"])},
        "$min": {"outbox_since": row["time"]},
        "$setOnInsert": {"gone": True},
    }
    try:
        async with documents.work(_PATIENCE) as database:
            await database[spec.outbox_of].update_one(
                {"_id": record.key, "outbox.id": {"$ne": known_by}}, update, upsert=True
            )
    except DuplicateKeyError:
        return  # it waits there already


async def pages(
    documents: Documents, name: str, wanted: Mapping[str, Any]
) -> AsyncIterator[Document]:
    """The documents of a collection that a filter lets through, by their `_id`, read page by page.

    Raises:
        Unavailable: the server does not answer.
    """
    after: Document = {}
    while True:
        async with documents.work(_PATIENCE) as database:
            found = database[name].find({**wanted, **after}).sort("_id").limit(_PAGE)
            page = await found.to_list()
        for document in page:
            yield document
        if len(page) < _PAGE:
            return
        after = {"_id": {"$gt": page[-1]["_id"]}}


def _plain(value: Any) -> Any:
    """A value without the driver's own types."""
    if isinstance(value, Int64):
        return int(value)
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value
