"""The transactional outbox: state and facts commit together, and are published afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

import structlog
from sqlalchemy import (
    Column,
    Connection,
    Delete,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
)

from chassis.bus.delivery import backoff
from chassis.bus.metrics import OUTBOX_WAITING
from chassis.bus.port import Bus, Record, check_records
from chassis.clock import Clock, SystemClock
from chassis.faults import Fault
from chassis.sql.database import Database
from chassis.sql.prepared import Prepared
from chassis.sql.types import Instant, JsonText, RowNumber

_COLUMNS = ("topic", "key", "value", "headers", "time")
_POLL = 1.0
# What is committed meanwhile is published along with it, and whoever committed it goes on first: where consumers
# had the processor at once, it took 12 ms instead of 8 from a rent until its engine was asked.
_LINGER = 0.01
_FEW = 16
_MANY = 1000
_MAX_BYTES = 8 * 2**20
_LAST_FLUSH = 5.0
_FINISH = 1.0

_log = structlog.get_logger("chassis.bus")


def outbox_table(metadata: MetaData, name: str = "outbox") -> Table:
    """The table of what waits to be published, for the service's metadata and its first migration."""
    return Table(
        name,
        metadata,
        Column("id", RowNumber, primary_key=True, autoincrement=True),
        Column("topic", String(200), nullable=False),
        Column("key", String(250), nullable=False),
        Column("value", LargeBinary(2**24 - 1), nullable=False),
        Column("headers", JsonText, nullable=False),
        Column("time", Instant, nullable=False),
    )


def append(conn: Connection, table: Table, records: Sequence[Record], now: datetime) -> None:
    """Adds records to be published once the transaction is committed.

    It comes after the statement of the transaction that changes the resource. That one waits for every
    other transaction on the same resource to end, so of two records of a key the later one gets the
    higher number, and who sees it sees the earlier one too. Records of different keys may be committed in
    another order than that of their numbers.

    Args:
        conn: in the transaction that makes them true.
        table: from `outbox_table`.
        records: in the order in which they shall be consumed.
        now: the present.

    Raises:
        Invalid: a record is not one that the bus can carry; do not commit.
    """
    if not records:
        return
    check_records(records)
    rows = [
        {
            "topic": record.topic,
            "key": record.key,
            "value": record.value,
            "headers": dict(record.headers),
            "time": now,
        }
        for record in records
    ]
    _statements(table)[0].change_each(conn, rows)


class Outbox(Protocol):
    """What a relay needs of an outbox, whatever kind of store it is in."""

    async def waiting(self) -> Sequence[tuple[Any, Record]]:
        """Some of what waits, in the order in which it shall be published.

        Returns:
            Records, at most about 8 MiB of them, each with what `remove` knows it by; none where
            nothing waits.
        """
        ...

    async def remove(self, published: Sequence[Any]) -> None:
        """Removes records that were published, by what `waiting` gave with each."""
        ...


class Publishing:
    """Publishes what is in an outbox: in order, at least once, and removes what is published.

    A batch is read, published and removed before the next one is read. Reading ahead of what is removed
    would have to begin after a number, and pass over a record with a lower one that was committed only
    now: a later record of its key could be published before it. When publishing fails, the same records
    are published again, so that the newest of each key is the last on the bus.

    Args:
        outbox: what waits.
        bus: where to publish.
        clock: for the delays while the bus is away.
    """

    def __init__(self, outbox: Outbox, bus: Bus, clock: Clock | None = None) -> None:
        self._outbox = outbox
        self._bus = bus
        self._clock = clock or SystemClock()
        self._woken = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._seen = 0

    def wake(self) -> None:
        """Says that something was committed to the outbox; it is published 10 ms later. From the loop only."""
        self._woken.set()

    async def run(self) -> None:
        """Publishes whatever there is, until it is cancelled.

        It looks when it is woken, and each second for what other processes have committed. While the
        bus or the database is away it tries again with growing delays, of up to 30 s.
        """
        try:
            await self._run()
        finally:
            self._see(0)

    async def _run(self) -> None:
        failures = 0
        while True:
            self._woken.clear()
            try:
                published = await self._publish_some()
            except Exception as error:  # noqa: BLE001 - nothing may be lost, so nothing gives up
                failures += 1
                _log.warning(
                    "the outbox waits for the bus",
                    reason=error.reason if isinstance(error, Fault) else "INTERNAL_ERROR",
                    exc_info=not isinstance(error, Fault),
                )
                await self._clock.sleep(backoff(failures))
                continue
            failures = 0
            if not published:
                await self._until_woken()

    async def flush(self, timeout: float = _LAST_FLUSH) -> bool:
        """Publishes what is there, once, at the end of a process.

        Args:
            timeout: how long it may take, in seconds.

        Returns:
            Whether the outbox is empty; what is left is published by the next process.
        """
        try:
            async with asyncio.timeout(timeout):
                while await self._publish_some():
                    pass
        except (TimeoutError, Fault) as error:
            _log.warning("the outbox could not be emptied", error=str(error))
            return False
        return True

    async def _until_woken(self) -> None:
        try:
            async with asyncio.timeout(_POLL):
                await self._woken.wait()
        except TimeoutError:
            return
        await asyncio.sleep(_LINGER)

    async def _publish_some(self) -> int:
        # A cancelled relay finishes its batch, or the same records would be published twice. It does
        # not take long about it: another replica may be about to publish them.
        batch = asyncio.ensure_future(self._publish_batch())
        try:
            return await asyncio.shield(batch)
        except asyncio.CancelledError:
            await asyncio.wait([batch], timeout=_FINISH)
            if not batch.done():
                batch.cancel()
            elif not batch.cancelled():
                batch.exception()
            raise

    async def _publish_batch(self) -> int:
        async with self._one_at_a_time:
            waiting = await self._outbox.waiting()
            self._see(len(waiting))
            if not waiting:
                return 0
            await self._bus.publish([record for _, record in waiting])
            await self._outbox.remove([known_by for known_by, _ in waiting])
            self._see(0)
            return len(waiting)

    def _see(self, count: int) -> None:
        # All relays of a process share the metric.
        OUTBOX_WAITING.inc(count - self._seen)
        self._seen = count


class Relay(Publishing):
    """Publishes what is in an outbox in a SQL database.

    Args:
        database: where the outbox is.
        table: from `outbox_table`.
        bus: where to publish.
        clock: for the delays while the bus is away.
        fence: called in the transaction that removes what was published; it raises where this process
            must not publish any more, and then nothing is removed.
    """

    def __init__(
        self,
        database: Database,
        table: Table,
        bus: Bus,
        clock: Clock | None = None,
        fence: Callable[[Connection], None] | None = None,
    ) -> None:
        super().__init__(_SqlOutbox(database, table, fence), bus, clock)


class _SqlOutbox:
    """An outbox in a SQL database; see `Outbox`."""

    def __init__(
        self, database: Database, table: Table, fence: Callable[[Connection], None] | None
    ) -> None:
        self._database = database
        self._fence = fence
        self._were_many = False
        _, self._pending, self._published = _statements(table)

    async def waiting(self) -> Sequence[tuple[Any, Record]]:
        # Mostly there are one or two, which the loop itself reads sooner than a thread could.
        if not self._were_many:
            few = await self._database.rows(self._pending, {"limit": _FEW})
            if len(few) < _FEW:
                return [(number, Record(*record)) for number, *record in few]
        rows = await self._database.read(lambda conn: self._rows(conn, _MANY))
        self._were_many = len(rows) > _FEW
        return rows

    async def remove(self, published: Sequence[Any]) -> None:
        # By number, not as a range: on a server, a transaction that took its number earlier may
        # commit in between.
        ids = {"of_ids": list(published)}

        def work(conn: Connection) -> None:
            if self._fence is not None:
                self._fence(conn)
            conn.execute(self._published, ids)

        await self._database.write(work)

    def _rows(self, conn: Connection, limit: int) -> list[tuple[int, Record]]:
        rows: list[tuple[int, Record]] = []
        size = 0
        for row in conn.execute(self._pending.statement, {"limit": limit}):
            rows.append((row.id, Record(row.topic, row.key, row.value, row.headers)))
            size += len(row.value)
            if size >= _MAX_BYTES:
                break
        return rows


@lru_cache(maxsize=64)
def _statements(table: Table) -> tuple[Prepared, Prepared, Delete]:
    pending = (
        select(table.c.id, table.c.topic, table.c.key, table.c.value, table.c.headers)
        .order_by(table.c.id)
        .limit(bindparam("limit"))
    )
    published = delete(table).where(table.c.id.in_(bindparam("of_ids", expanding=True)))
    return Prepared(insert(table), _COLUMNS), Prepared(pending), published
