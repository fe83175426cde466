"""What others make of machines, in a SQL database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from chassis.sql import Database
from machines_svc.schema.tables import MACHINES, RENTS

_RATED = (
    update(MACHINES)
    .where(
        MACHINES.c.name == bindparam("of_name"),
        MACHINES.c.feed_version < bindparam("of_version"),
    )
    .values(
        rating=bindparam("stars"), reviews=bindparam("count"), feed_version=bindparam("of_version")
    )
)
# Made before it was rented: a machine of the same name may have been there earlier.
_RENTED_ONE = select(MACHINES.c.uid).where(
    MACHINES.c.name == bindparam("of_name"), MACHINES.c.create_time <= bindparam("time")
)
_COUNTED = select(RENTS.c.uid).where(
    RENTS.c.uid == bindparam("uid"), RENTS.c.allocation == bindparam("allocation")
)
_ONE_MORE = (
    update(MACHINES)
    .where(MACHINES.c.name == bindparam("of_name"), MACHINES.c.uid == bindparam("of_uid"))
    .values(rents=MACHINES.c.rents + 1)
)


class SqlStandingStore:
    """Keeps what others make of machines in columns beside them."""

    def __init__(self, database: Database) -> None:
        """Works on an open database, at the newest schema."""
        self._database = database

    async def rated(
        self, name: str, rating_hundredths: int, reviews: int, feed_version: int
    ) -> bool:
        """Keeps what the reviews of a machine come to."""
        values = {
            "of_name": name,
            "of_version": feed_version,
            "stars": rating_hundredths,
            "count": reviews,
        }
        return await self._database.write(
            lambda connection: connection.execute(_RATED, values).rowcount == 1
        )

    async def rented(self, name: str, allocation: str, time: datetime) -> bool:
        """Counts a rent of a machine, once for each allocation."""

        def work(connection: Connection) -> bool:
            uid = connection.execute(_RENTED_ONE, {"of_name": name, "time": time}).scalar()
            if uid is None:
                return False
            one = {"uid": uid, "allocation": allocation}
            if connection.execute(_COUNTED, one).first():
                return False
            # Whoever counts the same at the same moment fails here, and comes again.
            connection.execute(insert(RENTS), one)
            connection.execute(_ONE_MORE, {"of_name": name, "of_uid": uid})
            return True

        return await self._database.write(work)
