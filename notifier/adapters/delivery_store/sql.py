"""Deliveries in SQL."""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from chassis.clock import instant_of, millis_of
from chassis.identity import Vault
from chassis.sql import Database
from chassis.sql.sweeping import in_parts, sweep
from notifier.domain.delivery import Content, ContentKind, Delivery, State
from notifier.domain.faults import DeliveryQueueFull
from notifier.schema.tables import DELIVERIES

_ADD = insert(DELIVERIES)
_ONE = select(DELIVERIES).where(DELIVERIES.c.id == bindparam("by_id"))
_WAITING = select(func.count()).where(DELIVERIES.c.due_time.is_not(None))
_NEXT = select(func.min(DELIVERIES.c.due_time))
_DUE = (
    select(DELIVERIES)
    .where(DELIVERIES.c.due_time <= bindparam("present"))
    .order_by(DELIVERIES.c.due_time, DELIVERIES.c.id)
    .limit(bindparam("most"))
)
# What another worker is taking at this moment is left to it.
_TAKEN = _DUE.with_for_update(skip_locked=True)
_LEASE = (
    update(DELIVERIES)
    .where(DELIVERIES.c.id == bindparam("by_id"), DELIVERIES.c.due_time == bindparam("was_due"))
    .values(
        state=State.LEASED.value,
        lease=bindparam("new_lease"),
        attempts=DELIVERIES.c.attempts + 1,
        due_time=bindparam("lease_end"),
    )
)
_RECLAIM = (
    update(DELIVERIES)
    .where(DELIVERIES.c.state == State.LEASED.value)
    .values(state=State.PENDING.value, lease="", due_time=bindparam("present"))
)
_OF_LEASE = update(DELIVERIES).where(
    DELIVERIES.c.id == bindparam("by_id"),
    DELIVERIES.c.state == State.LEASED.value,
    DELIVERIES.c.lease == bindparam("by_lease"),
)
_END = _OF_LEASE.values(state=bindparam("becomes"), content=None, due_time=None, lease="")
_POSTPONE = _OF_LEASE.values(state=State.PENDING.value, due_time=bindparam("until"), lease="")
_SWEEP = in_parts(
    delete(DELIVERIES).where(
        DELIVERIES.c.due_time.is_(None), DELIVERIES.c.accept_time < bindparam("before")
    )
)
_QUEUE_FULL_RETRY = 60.0


class SqlDeliveryStore:
    """A DeliveryStore on MySQL and SQLite.

    Args:
        database: where the table is.
        vault: seals what the deliveries say.
    """

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def accept(self, delivery: Delivery, most_waiting: int) -> bool:
        """Stores a new delivery; False with an identifier that is known.

        Raises:
            DeliveryQueueFull: as many wait already.
        """
        row = {
            "id": delivery.id,
            "email": delivery.email,
            "content": self._sealed(delivery),
            "state": delivery.state.value,
            "attempts": delivery.attempts,
            "lease": delivery.lease,
            "accept_time": delivery.accept_time,
            "due_time": delivery.due_time,
        }

        def work(connection: Connection) -> bool:
            if connection.execute(_ONE, {"by_id": delivery.id}).first() is not None:
                return False
            if (connection.execute(_WAITING).scalar() or 0) >= most_waiting:
                raise DeliveryQueueFull(
                    "Too many messages wait for delivery; try again in a minute.",
                    retry_after=_QUEUE_FULL_RETRY,
                )
            connection.execute(_ADD, row)
            return True

        try:
            return await self._database.write(work)
        except IntegrityError:
            # Another replica was asked the same at the same moment.
            return False

    async def lease(self, now: datetime, lease_end: datetime, limit: int) -> list[Delivery]:
        """Takes deliveries that are due, the oldest first, and counts an attempt for each."""

        def look(connection: Connection) -> bool:
            return bool(connection.execute(_DUE, {"present": now, "most": 1}).first())

        def take(connection: Connection) -> list[Delivery]:
            taken = []
            for row in connection.execute(_TAKEN, {"present": now, "most": limit}).all():
                lease = str(uuid.uuid4())
                keys = {
                    "by_id": row.id,
                    "was_due": row.due_time,
                    "new_lease": lease,
                    "lease_end": lease_end,
                }
                if connection.execute(_LEASE, keys).rowcount:
                    found = connection.execute(_ONE, {"by_id": row.id}).one()
                    taken.append(self._delivery(found))
            return taken

        # Mostly nothing is due, and then nobody has to write.
        return await self._database.write(take) if await self._database.get(look) else []

    async def reclaim(self, now: datetime) -> int:
        """Makes everything that is leased due; only where no other process uses the store."""
        return await self._database.write(
            lambda connection: connection.execute(_RECLAIM, {"present": now}).rowcount
        )

    async def sent(self, delivery: Delivery) -> bool:
        """Ends a leased delivery, and erases what it says; False if the lease was lost."""
        return await self._end(delivery, State.SENT)

    async def failed(self, delivery: Delivery) -> bool:
        """Gives a leased delivery up, and erases what it says; False if the lease was lost."""
        return await self._end(delivery, State.FAILED)

    async def postpone(self, delivery: Delivery, until: datetime) -> bool:
        """Gives a leased delivery back, to be tried then; False if the lease was lost."""
        keys = {"by_id": delivery.id, "by_lease": delivery.lease, "until": until}
        return await self._database.write(
            lambda connection: bool(connection.execute(_POSTPONE, keys).rowcount)
        )

    async def get(self, delivery_id: str) -> Delivery | None:
        """The delivery, also one that has ended, until it is swept."""

        def work(connection: Connection) -> Delivery | None:
            row = connection.execute(_ONE, {"by_id": delivery_id}).first()
            return None if row is None else self._delivery(row)

        return await self._database.get(work)

    async def next_due(self) -> datetime | None:
        """When the first delivery is due; None where none waits."""

        def work(connection: Connection) -> datetime | None:
            found: datetime | None = connection.execute(_NEXT).scalar()
            return found

        return await self._database.get(work)

    async def sweep(self, before: datetime) -> int:
        """Forgets deliveries that were accepted before then and have ended."""
        return await sweep(self._database, _SWEEP, {"before": before})

    async def _end(self, delivery: Delivery, state: State) -> bool:
        keys = {"by_id": delivery.id, "by_lease": delivery.lease, "becomes": state.value}
        return await self._database.write(
            lambda connection: bool(connection.execute(_END, keys).rowcount)
        )

    def _sealed(self, delivery: Delivery) -> bytes | None:
        content = delivery.content
        if content is None:
            return None
        said = {
            "kind": content.kind.value,
            "code": content.code,
            "useful_until": millis_of(content.useful_until),
        }
        return self._vault.seal(json.dumps(said).encode(), _context(delivery.id))

    def _delivery(self, row: Row[Any]) -> Delivery:
        content = None
        if row.content is not None:
            said = json.loads(self._vault.open(bytes(row.content), _context(row.id)))
            content = Content(
                ContentKind(said["kind"]), instant_of(said["useful_until"]), said["code"]
            )
        return Delivery(
            id=row.id,
            email=row.email,
            content=content,
            accept_time=row.accept_time,
            due_time=row.due_time or row.accept_time,
            state=State(row.state),
            attempts=row.attempts,
            lease=row.lease,
        )


def _context(delivery_id: str) -> str:
    return f"deliveries/{delivery_id}"
