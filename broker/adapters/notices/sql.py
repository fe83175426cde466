"""Notices in a SQL database: what was told of is kept in the transaction that adds to the outbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, update

from broker.domain.letter import Notice
from broker.schema.tables import NOTICES, OUTBOX
from chassis.bus import Record
from chassis.bus.outbox import append
from chassis.sql import Database, upsert
from chassis.sql.sweeping import in_parts, sweep

# Makes the row if there is none, and holds it in any case: who comes second waits, and then reads what
# the first one told. A snapshot read before it would be of the time before.
_HOLD = upsert(NOTICES, None, ["name"], {"name": NOTICES.c.name})
_TELL = (
    update(NOTICES)
    .where(NOTICES.c.name == bindparam("of_name"), NOTICES.c.fact != bindparam("told"))
    .values(fact=bindparam("told"), time=bindparam("at"))
)
_OLD = in_parts(delete(NOTICES).where(NOTICES.c.time < bindparam("until")))


class SqlNotices:
    """Tells everybody about dead letters from an outbox in a SQL database."""

    def __init__(
        self,
        database: Database,
        records_of: Callable[[Notice], Sequence[Record]],
        wake: Callable[[], object],
    ) -> None:
        """Works on an open database.

        Args:
            database: at the newest schema.
            records_of: what goes onto the bus.
            wake: says that there is something to publish.
        """
        self._database = database
        self._records_of = records_of
        self._wake = wake

    async def tell(self, notice: Notice) -> None:
        """Publishes a notice, once it is kept that it shall be."""
        records = self._records_of(notice)
        await self._database.write(
            lambda connection: append(connection, OUTBOX, records, notice.time)
        )
        self._wake()

    async def tell_once(self, notice: Notice) -> bool:
        """Publishes a notice that a letter was added, once for each letter."""
        fact = notice.letter.fact if notice.letter else ""
        records = self._records_of(notice)

        def work(connection: Connection) -> bool:
            connection.execute(_HOLD, {"name": notice.key, "fact": "", "time": notice.time})
            telling = {"of_name": notice.key, "told": fact, "at": notice.time}
            if connection.execute(_TELL, telling).rowcount != 1:
                return False
            append(connection, OUTBOX, records, notice.time)
            return True

        told = await self._database.write(work)
        if told:
            self._wake()
        return told

    async def sweep(self, until: datetime) -> None:
        """Forgets what was told before a time."""
        await sweep(self._database, _OLD, {"until": until})
