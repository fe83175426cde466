"""Timelines in a database of documents; what stands where is in `broker.schema.documents`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from pymongo import UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError

from broker.adapters.timeline_store.rows import (
    act_of,
    act_row,
    event_of,
    event_row,
    first_place,
    leaver_of,
    leaver_row,
    people_in,
)
from broker.domain.entry import Kind
from broker.domain.event import DELETED_PERSON, Act, Event, Leaver, News
from chassis.documents import Documents
from chassis.documents.collections import key
from chassis.documents.documents import Document
from chassis.listing import Condition

_DUPLICATE = 11000
_MOST_LEAVERS = 10_000
_SWEEP_SECONDS = 60.0
_PEOPLE_AT_ONCE = 500
_NAMED = (("events", "actor"), ("acts", "actor"), ("acts", "resource"))
_OPS = {"=": "$eq", "!=": "$ne", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}


class MongoTimelineStore:
    """Keeps timelines, what admins did, and who has gone, in a database of documents."""

    def __init__(self, documents: Documents, most: int) -> None:
        """Works on an open database.

        Args:
            documents: at the newest schema.
            most: how many events of an allocation are kept.
        """
        self._documents = documents
        self._most = most

    async def learn(self, news: News) -> None:
        """Keeps what some facts say."""
        async with self._documents.work() as database:
            leavers = [leaver_row(one) for one in news.leavers]
            await _add(database["leavers"], [(row["person"], row) for row in leavers])
            await _erase(database, [row["person"] for row in leavers])
            gone = await _gone(database, people_in(news))
            events = [event_row(one, gone) for one in news.events]
            await _add(
                database["events"], [(key(row["allocation"], row["place"]), row) for row in events]
            )
            await _add(
                database["acts"],
                [(row["place"], row) for row in (act_row(one, gone) for one in news.acts)],
            )
            for allocation in {row["allocation"] for row in events}:
                await self._trim(database, allocation)

    async def events(
        self, allocation: str, owner: str, after: str, size: int, *, descending: bool
    ) -> list[Event] | None:
        """A page of the events of an allocation, by their places."""
        wanted: Document = {"allocation": allocation}
        if after:
            wanted["place"] = {"$lt" if descending else "$gt": after}
        async with self._documents.work() as database:
            # Whose it is never changes.
            known = await _is_known(database, allocation, owner)
            if owner and not known:
                return None
            page = database["events"].find(wanted).sort("place", -1 if descending else 1)
            rows = await page.limit(size).to_list()
        if not rows and not after and not known:
            return None
        return [event_of(row) for row in rows]

    async def before(self, allocation: str, place: str) -> Event | None:
        """The last event before a place that has a phase."""
        wanted = {"allocation": allocation, "place": {"$lt": place}, "phase": {"$ne": ""}}
        async with self._documents.work() as database:
            rows = await database["events"].find(wanted).sort("place", -1).limit(1).to_list()
        return event_of(rows[0]) if rows else None

    async def acts(
        self, conditions: Sequence[Condition], after: str, size: int, *, descending: bool
    ) -> list[Act]:
        """A page of the acts, by their places."""
        wanted: list[Document] = [_where(condition) for condition in conditions]
        if after:
            wanted.append({"place": {"$lt" if descending else "$gt": after}})
        async with self._documents.work() as database:
            page = database["acts"].find({"$and": wanted} if wanted else {})
            rows = await page.sort("place", -1 if descending else 1).limit(size).to_list()
        return [act_of(row) for row in rows]

    async def gone(self, people: Collection[str]) -> set[str]:
        """Those of some people who have gone."""
        if not people:
            return set()
        async with self._documents.work() as database:
            return await _gone(database, people)

    async def leavers(self, since: datetime) -> list[Leaver]:
        """The people who have gone since a time."""
        async with self._documents.work() as database:
            found = database["leavers"].find({"time": {"$gte": since}}).sort("time")
            return [leaver_of(row) for row in await found.limit(_MOST_LEAVERS).to_list()]

    async def sweep(self, events_until: datetime, acts_until: datetime) -> int:
        """Removes what happened before these times."""
        async with self._documents.work(_SWEEP_SECONDS) as database:
            everybody = await database["leavers"].distinct("person")
            for start in range(0, len(everybody), _PEOPLE_AT_ONCE):
                await _erase(database, everybody[start : start + _PEOPLE_AT_ONCE])
            events = await database["events"].delete_many({"time": {"$lt": events_until}})
            acts = await database["acts"].delete_many({"place": {"$lt": first_place(acts_until)}})
        return events.deleted_count + acts.deleted_count

    async def _trim(self, database: AsyncDatabase[Document], allocation: str) -> None:
        """Removes the oldest events where there are more than are kept."""
        of = {"allocation": allocation}
        newest = database["events"].find(of, ["place"]).sort("place", -1)
        beyond = await newest.skip(self._most).limit(1).to_list()
        if beyond:
            await database["events"].delete_many({**of, "place": {"$lte": beyond[0]["place"]}})


async def _add(
    collection: AsyncCollection[Document], rows: Iterable[tuple[str | int, Document]]
) -> None:
    """Adds those rows that are not there."""
    writes = [
        UpdateOne({"_id": known_by}, {"$setOnInsert": row}, upsert=True) for known_by, row in rows
    ]
    if not writes:
        return
    try:
        await collection.bulk_write(writes, ordered=False)
    except BulkWriteError as error:
        # Another replica may add the same at the same moment.
        if any(one["code"] != _DUPLICATE for one in error.details["writeErrors"]):
            raise


async def _erase(database: AsyncDatabase[Document], people: Sequence[str]) -> None:
    if not people:
        return
    for collection, field in _NAMED:
        await database[collection].update_many(
            {field: {"$in": list(people)}}, {"$set": {field: DELETED_PERSON}}
        )


async def _gone(database: AsyncDatabase[Document], people: Collection[str]) -> set[str]:
    if not people:
        return set()
    found = await database["leavers"].find({"_id": {"$in": list(people)}}, ["person"]).to_list()
    return {one["person"] for one in found}


async def _is_known(database: AsyncDatabase[Document], allocation: str, owner: str) -> bool:
    owned = {"message": {"$ne": None}, "owner": owner} if owner else {}
    number = 0
    while True:
        newest = database["directories"].find({"is_read": True}).sort("number", -1).limit(1)
        before, number = number, int((await newest.to_list())[0]["number"])
        known_by = key(number, Kind.ALLOCATION.value, allocation)
        if await database["entries"].find_one({"_id": known_by, **owned}, ["_id"]) is not None:
            return True
        # Another directory may have taken its place in between.
        if number == before:
            return False


def _where(condition: Condition) -> dict[str, Any]:
    if condition.op == ":":
        # A pattern cannot hold the character zero itself.
        wanted = re.escape(str(condition.value)).replace("\0", "\\x00")
        return {condition.field: {"$regex": wanted, "$options": "i"}}
    return {condition.field: {_OPS[condition.op]: condition.value}}
