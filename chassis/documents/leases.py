"""Leases in a database of documents."""

from __future__ import annotations

from typing import Any

from pymongo.errors import DuplicateKeyError

from chassis.documents.documents import Documents
from chassis.leading.port import Lease

_COLLECTION = "leases"


class MongoLeases:
    """Keeps leases beside what they protect; see `chassis.leading.Leases`."""

    def __init__(self, documents: Documents) -> None:
        """Works on an open database.

        Args:
            documents: of the service.
        """
        self._documents = documents

    async def read(self, name: str) -> Lease | None:
        """The lease of a name."""
        found = await self._documents.find_one(_COLLECTION, {"_id": name})
        if found is None:
            return None
        return Lease(found["holder"], found["address"], int(found["epoch"]), int(found["beat"]))

    async def claim(self, name: str, seen: Lease | None, holder: str, address: str) -> Lease | None:
        """Takes a lease, if it still is what was seen."""
        claimed = Lease(holder, address, (seen.epoch if seen else 0) + 1, 0)
        row = {"holder": holder, "address": address, "epoch": claimed.epoch, "beat": claimed.beat}
        if seen is None:
            try:
                async with self._documents.work() as database:
                    await database[_COLLECTION].insert_one({"_id": name, "name": name, **row})
            except DuplicateKeyError:
                return None
            return claimed
        as_seen = {"_id": name, "epoch": seen.epoch, "beat": seen.beat}
        return claimed if await self._change(as_seen, row) else None

    async def renew(self, name: str, lease: Lease) -> Lease | None:
        """Raises the beat of a lease that is held."""
        renewed = Lease(lease.holder, lease.address, lease.epoch, lease.beat + 1)
        held = {"_id": name, "epoch": lease.epoch, "holder": lease.holder}
        return renewed if await self._change(held, {"beat": renewed.beat}) else None

    async def release(self, name: str, lease: Lease) -> None:
        """Gives a lease back."""
        held = {"_id": name, "epoch": lease.epoch, "holder": lease.holder}
        # The beat changes too, so that nobody who saw it before takes it for what they saw.
        await self._change(held, {"holder": "", "address": "", "beat": lease.beat + 1})

    async def _change(self, as_known: dict[str, Any], change: dict[str, Any]) -> bool:
        async with self._documents.work() as database:
            done = await database[_COLLECTION].update_one(as_known, {"$set": change})
        return done.matched_count == 1
