"""The directory in a database of documents; what stands where is in `broker.schema.documents`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from pymongo import UpdateOne
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, DuplicateKeyError

from broker.adapters.directory_store.rows import end_row, entry_row
from broker.domain.entry import Ended, Entry, Kind
from broker.ports import ENDED_KEPT
from broker.schema.documents import more_of
from chassis.documents import Documents
from chassis.documents.collections import key
from chassis.documents.documents import Document

_DIRECTORIES = "directories"
_ENTRIES = "entries"
_TRIES = 5
_SWEEP_SECONDS = 60.0
_MANY_SECONDS = 30.0
_DUPLICATE = 11000


class MongoDirectoryStore:
    """Keeps the directory in a database of documents."""

    def __init__(self, documents: Documents) -> None:
        """Works on an open database.

        Args:
            documents: at the newest schema.
        """
        self._documents = documents

    async def put(self, entry: Entry) -> bool:
        """Keeps an entry, unless what is kept is as new or newer."""
        row, older = _put_of(entry)
        return await self._learn(row, older)

    async def end(self, ended: Ended) -> bool:
        """Removes the entry of a resource that was made before, and remembers the end."""
        async with self._documents.work() as database:
            await database[_ENTRIES].delete_many({"end_time": {"$lt": ended.end_time - ENDED_KEPT}})
        row, older = _end_of(ended)
        return await self._learn(row, older)

    async def learn(self, news: Sequence[Entry | Ended]) -> None:
        """Puts and ends many at once."""
        if not news:
            return
        changes = [_put_of(one) if isinstance(one, Entry) else _end_of(one) for one in news]
        ends = [one.end_time for one in news if isinstance(one, Ended)]
        async with self._documents.work(_MANY_SECONDS) as database:
            if ends:
                await database[_ENTRIES].delete_many({"end_time": {"$lt": max(ends) - ENDED_KEPT}})
            for number in await _numbers(database):
                rows = [({"directory": number, **row}, older) for row, older in changes]
                for row, older in await _refused(database, rows):
                    await _put(database, row, older)

    async def rewrite(self, entry: Entry, other: Entry) -> bool:
        """Puts another entry in the place of one that is kept."""
        row, _ = _put_of(other)
        rewritten = False
        async with self._documents.work() as database:
            for number in await _numbers(database):
                known_by = key(number, entry.kind.value, entry.name)
                done = await database[_ENTRIES].update_one(
                    {"_id": known_by, **_same(entry)}, {"$set": row}
                )
                rewritten |= done.matched_count > 0
        return rewritten

    async def forget(self, entry: Entry) -> bool:
        """Removes an entry if the one that is kept is the same one."""
        forgotten = False
        async with self._documents.work() as database:
            for number in await _numbers(database):
                known_by = key(number, entry.kind.value, entry.name)
                gone = await database[_ENTRIES].delete_one({"_id": known_by, **_same(entry)})
                forgotten |= gone.deleted_count > 0
        return forgotten

    async def get(self, kind: Kind, name: str) -> Entry | Ended | None:
        """What is known of a name; None where nothing is."""
        async with self._documents.work() as database:
            number = await _read_number(database)
            while True:
                known_by = key(number, kind.value, name)
                found = await database[_ENTRIES].find_one({"_id": known_by})
                if found is not None:
                    break
                # Another directory may have taken its place in between.
                before, number = number, await _read_number(database)
                if number == before:
                    return None
        return Ended(kind, name, found["create_time"]) if _is_end(found) else _entry(found)

    async def allocations(self, owner: str, machine: str, after: str, size: int) -> list[Entry]:
        """A page of the allocations, by name."""
        wanted: Document = {
            "kind": Kind.ALLOCATION.value,
            "message": {"$ne": None},
            "name": {"$gt": after},
        }
        wanted |= {"owner": owner} if owner else {}
        wanted |= {"machine": machine} if machine else {}
        async with self._documents.work() as database:
            number = await _read_number(database)
            while True:
                page = database[_ENTRIES].find({"directory": number, **wanted})
                rows = await page.sort("name").limit(size).to_list()
                # As in `get`; a page may have lost some of its rows meanwhile.
                before, number = number, await _read_number(database)
                if number == before:
                    return [_entry(row) for row in rows]

    async def begin_rebuild(self) -> int:
        """Begins a second, empty directory beside the one that is read."""
        async with self._documents.work() as database:
            number = max(await _numbers(database))
            while True:
                number += 1
                # Of several who begin at once, each takes a number of its own.
                with suppress(DuplicateKeyError):
                    await database[_DIRECTORIES].insert_one(
                        {"_id": number, "number": number, "is_read": False}
                    )
                    break
            await database[_DIRECTORIES].delete_many({"is_read": False, "number": {"$lt": number}})
        await self._sweep()
        return number

    async def finish_rebuild(self, number: int) -> bool:
        """Makes the second directory the one that is read, and removes the first."""
        async with self._documents.work() as database:
            filled = await database[_DIRECTORIES].update_one(
                {"_id": number}, {"$set": {"is_read": True}}
            )
            if not filled.matched_count:
                return False
        await self._sweep()
        return True

    async def _learn(self, row: Document, older: list[Document]) -> bool:
        """Keeps a row in every directory where there is none, or one that is older."""
        learnt = False
        async with self._documents.work() as database:
            for number in await _numbers(database):
                learnt |= await _put(database, {"directory": number, **row}, older)
        return learnt

    async def _sweep(self) -> None:
        """Removes the directories that another one has replaced, and entries of no directory.

        Whoever ends in the middle of it leaves it to the next rebuild.
        """
        async with self._documents.work() as database:
            read = await _read_number(database)
            await database[_DIRECTORIES].delete_many({"number": {"$lt": read}})
            numbers = await _numbers(database)
        async with self._documents.work(_SWEEP_SECONDS) as database:
            # Newer ones may have been begun since the numbers were read.
            await database[_ENTRIES].delete_many(
                {"directory": {"$nin": numbers, "$lt": max(numbers)}}
            )


async def _numbers(database: AsyncDatabase[Document]) -> list[int]:
    """The numbers of the directories that are written."""
    return [int(one["number"]) for one in await database[_DIRECTORIES].find().to_list()]


async def _read_number(database: AsyncDatabase[Document]) -> int:
    """The number of the directory that is read."""
    newest = database[_DIRECTORIES].find({"is_read": True}).sort("number", -1).limit(1)
    return int((await newest.to_list())[0]["number"])


def _put_of(entry: Entry) -> tuple[Document, list[Document]]:
    """The fields of an entry, and what is true of those that it replaces."""
    row = entry_row(entry)
    older: list[Document] = [
        {"create_time": {"$lt": entry.create_time}},
        {"create_time": entry.create_time, "version": {"$lt": entry.version}},
    ]
    return row, older


def _end_of(ended: Ended) -> tuple[Document, list[Document]]:
    """The fields of an end, and what is true of those that it replaces."""
    row = end_row(ended)
    older: list[Document] = [
        {"create_time": {"$lt": ended.end_time}},
        {"create_time": ended.end_time, "message": {"$ne": None}},
    ]
    return row, older


def _same(entry: Entry) -> Document:
    return {
        "create_time": entry.create_time,
        "version": entry.version,
        "message": {"$ne": None},
    }


async def _refused(
    database: AsyncDatabase[Document], rows: Sequence[tuple[Document, list[Document]]]
) -> list[tuple[Document, list[Document]]]:
    """Keeps rows by one statement; gives those that must be decided about one by one."""
    writes = [
        UpdateOne(
            {"_id": key(row["directory"], row["kind"], row["name"]), "$or": older},
            _change_of(row),
            upsert=True,
        )
        for row, older in rows
    ]
    try:
        await database[_ENTRIES].bulk_write(writes, ordered=False)
    except BulkWriteError as error:
        failed = error.details["writeErrors"]
        if any(one["code"] != _DUPLICATE for one in failed):
            raise
        return [rows[one["index"]] for one in failed]
    return []


def _change_of(row: Document) -> dict[str, Any]:
    more = more_of(row)
    change: dict[str, Any] = {"$set": {**row, **more}}
    if not more:
        change["$unset"] = {"end_time": ""}
    return change


async def _put(database: AsyncDatabase[Document], row: Document, older: list[Document]) -> bool:
    entries = database[_ENTRIES]
    known_by = key(row["directory"], row["kind"], row["name"])
    change = _change_of(row)
    for _ in range(_TRIES):
        try:
            done = await entries.update_one({"_id": known_by, "$or": older}, change, upsert=True)
        except DuplicateKeyError:
            # There is one which is as new or newer; or another writer came first with an older one.
            done = await entries.update_one({"_id": known_by, "$or": older}, change)
            if (
                not done.matched_count
                and await entries.find_one({"_id": known_by}, ["_id"]) is None
            ):
                continue  # it has been forgotten in between
            return done.matched_count > 0
        return True
    return False


def _is_end(row: Mapping[str, Any]) -> bool:
    return row["message"] is None


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(
        kind=Kind(row["kind"]),
        name=row["name"],
        version=int(row["version"]),
        create_time=row["create_time"],
        message=bytes(row["message"]),
        owner=row["owner"],
        machine=row["machine"],
        write_time=row["write_time"],
    )
