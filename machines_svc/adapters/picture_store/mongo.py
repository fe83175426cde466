"""Pictures in a database of documents."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from chassis.clock import Clock
from chassis.documents import Documents
from chassis.documents.collections import key
from machines_svc.ports import KeptPicture
from machines_svc.schema.tables import PICTURES


class MongoPictureStore:
    """Keeps pictures in a collection of their own."""

    def __init__(self, documents: Documents, clock: Clock) -> None:
        """Works on an open database, at the newest schema."""
        self._documents = documents
        self._clock = clock

    async def keep(self, uid: str, digest: str, picture: KeptPicture) -> None:
        """Keeps a picture of a machine; one that is there counts as kept now."""
        row = {
            "uid": uid,
            "digest": digest,
            "media_type": picture.media_type,
            "content": picture.content,
            "time": self._clock.now(),
        }
        async with self._documents.work() as database:
            await database[PICTURES.name].replace_one({"_id": key(uid, digest)}, row, upsert=True)

    async def get(self, uid: str, digest: str) -> KeptPicture | None:
        """A picture of a machine; None where it is not kept."""
        found = await self._documents.find_one(
            PICTURES.name, {"_id": key(uid, digest)}, "media_type", "content"
        )
        return None if found is None else KeptPicture(found["media_type"], bytes(found["content"]))

    async def count(self, uid: str) -> int:
        """How many pictures of a machine are kept."""
        async with self._documents.work() as database:
            return await database[PICTURES.name].count_documents({"uid": uid})

    async def sweep(self, uid: str, digests: Collection[str], before: datetime) -> int:
        """Removes the pictures of a machine but these that were kept before a time."""
        wanted = {"uid": uid, "digest": {"$nin": list(digests)}, "time": {"$lt": before}}
        async with self._documents.work() as database:
            return (await database[PICTURES.name].delete_many(wanted)).deleted_count
