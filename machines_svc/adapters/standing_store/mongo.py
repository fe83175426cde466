"""What others make of machines, in a database of documents."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from pymongo.errors import DuplicateKeyError

from chassis.documents import Documents
from chassis.documents.collections import key
from machines_svc.schema.documents import LIVING
from machines_svc.schema.tables import MACHINES, RENTS


class MongoStandingStore:
    """Keeps what others make of machines in fields of their documents."""

    def __init__(self, documents: Documents) -> None:
        """Works on an open database, at the newest schema."""
        self._documents = documents

    async def rated(
        self, name: str, rating_hundredths: int, reviews: int, feed_version: int
    ) -> bool:
        """Keeps what the reviews of a machine come to."""
        older = {"_id": name, **LIVING, "feed_version": {"$lt": feed_version}}
        change = {
            "rating": rating_hundredths,
            "reviews": reviews,
            "feed_version": feed_version,
        }
        async with self._documents.work() as database:
            done = await database[MACHINES.name].update_one(older, {"$set": change})
        return done.matched_count == 1

    async def rented(self, name: str, allocation: str, time: datetime) -> bool:
        """Counts a rent of a machine, once for each allocation.

        The rents themselves are what is kept; their count beside the machine only ever rises to how
        many there are, so that a count that was broken off, or two at once, are right in the end.
        """
        async with self._documents.work() as database:
            machine = await database[MACHINES.name].find_one(
                {"_id": name, **LIVING, "create_time": {"$lte": time}}, ["uid"]
            )
            if machine is None:
                return False
            uid = machine["uid"]
            new = False
            with suppress(DuplicateKeyError):
                row = {"_id": key(uid, allocation), "uid": uid, "allocation": allocation}
                await database[RENTS.name].insert_one(row)
                new = True
            count = await database[RENTS.name].count_documents({"uid": uid})
            await database[MACHINES.name].update_one(
                {"_id": name, "uid": uid, **LIVING}, {"$max": {"rents": count}}
            )
        return new
