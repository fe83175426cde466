"""Pictures in a SQL database."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, func, select

from chassis.clock import Clock
from chassis.sql import Database
from chassis.sql.upserts import upsert
from machines_svc.ports import KeptPicture
from machines_svc.schema.tables import PICTURES

_COLUMNS = PICTURES.c


class SqlPictureStore:
    """Keeps pictures in a table of their own."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Works on an open database, at the newest schema."""
        self._database = database
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
        statement = upsert(PICTURES, row, ["uid", "digest"], ["time"])
        await self._database.write(lambda connection: connection.execute(statement).rowcount)

    async def get(self, uid: str, digest: str) -> KeptPicture | None:
        """A picture of a machine; None where it is not kept."""
        statement = select(_COLUMNS.media_type, _COLUMNS.content).where(
            _COLUMNS.uid == uid, _COLUMNS.digest == digest
        )
        row = await self._database.read(lambda connection: connection.execute(statement).first())
        return None if row is None else KeptPicture(row[0], bytes(row[1]))

    async def count(self, uid: str) -> int:
        """How many pictures of a machine are kept."""
        statement = select(func.count()).select_from(PICTURES).where(_COLUMNS.uid == uid)
        return int(
            await self._database.read(lambda connection: connection.execute(statement).scalar_one())
        )

    async def sweep(self, uid: str, digests: Collection[str], before: datetime) -> int:
        """Removes the pictures of a machine but these that were kept before a time."""
        statement = delete(PICTURES).where(
            _COLUMNS.uid == uid, _COLUMNS.digest.not_in(list(digests)), _COLUMNS.time < before
        )
        return await self._database.write(
            lambda connection: int(connection.execute(statement).rowcount)
        )
