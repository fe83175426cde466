"""Deliveries in SQL."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from chassis.identity import Vault
from chassis.sql import Database
from chassis.sql.sweeping import in_parts, sweep
from notifier.adapters.delivery_store.former import former_content
from notifier.domain.delivery import Channel, Content, Delivery, State
from notifier.domain.faults import DeliveryQueueFull
from notifier.schema.tables import DELIVERIES

_ADD = insert(DELIVERIES)
_ONE = select(DELIVERIES).where(DELIVERIES.c.id == bindparam("by_id"))
_KNOWN = select(DELIVERIES.c.id).where(
    or_(
        DELIVERIES.c.id == bindparam("by_id"),
        (DELIVERIES.c.fact_id == bindparam("by_fact"))
        & (DELIVERIES.c.channel == bindparam("by_channel"))
        & (DELIVERIES.c.email == bindparam("by_destination")),
    )
)
_WAITING = select(func.count()).where(
    DELIVERIES.c.channel == bindparam("by_channel"), DELIVERIES.c.due_time.is_not(None)
)
_NEXT = select(func.min(DELIVERIES.c.due_time)).where(
    DELIVERIES.c.channel == bindparam("by_channel")
)
_DUE = (
    select(DELIVERIES)
    .where(
        DELIVERIES.c.channel == bindparam("by_channel"),
        DELIVERIES.c.due_time <= bindparam("present"),
    )
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
_END = _OF_LEASE.values(
    state=bindparam("becomes"), content=None, message=None, due_time=None, lease=""
)
_POSTPONE = _OF_LEASE.values(state=State.PENDING.value, due_time=bindparam("until"), lease="")
_SWEEP = in_parts(
    delete(DELIVERIES).where(
        DELIVERIES.c.due_time.is_(None), DELIVERIES.c.accept_time < bindparam("before")
    )
)
_QUEUE_FULL_RETRY = 60.0


def put_delivery(
    connection: Connection, vault: Vault, delivery: Delivery, most_waiting: int
) -> bool:
    """Stores a new delivery in somebody's transaction; see `DeliveryStore.accept`.

    Of two transactions that store the same at the same moment one fails with IntegrityError.

    Raises:
        DeliveryQueueFull: as many of its channel wait already.
    """
    keys = {
        "by_id": delivery.id,
        "by_fact": delivery.fact_id,
        "by_channel": delivery.channel.value,
        "by_destination": delivery.destination,
    }
    if connection.execute(_KNOWN, keys).first() is not None:
        return False
    waiting = connection.execute(_WAITING, {"by_channel": delivery.channel.value}).scalar() or 0
    if waiting >= most_waiting:
        raise DeliveryQueueFull(
            "Too many messages wait for delivery; try again in a minute.",
            retry_after=_QUEUE_FULL_RETRY,
        )
    connection.execute(
        _ADD,
        {
            "id": delivery.id,
            "channel": delivery.channel.value,
            "email": delivery.destination,
            "message": _sealed(vault, delivery),
            "kind": delivery.kind,
            "user_name": delivery.user,
            "fact_id": delivery.fact_id,
            "state": delivery.state.value,
            "attempts": delivery.attempts,
            "lease": delivery.lease,
            "accept_time": delivery.accept_time,
            "due_time": delivery.due_time,
            "expire_time": delivery.expire_time,
        },
    )
    return True


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
        """Stores a new delivery; False where it is known.

        Raises:
            DeliveryQueueFull: as many of its channel wait already.
        """
        try:
            return await self._database.write(
                lambda connection: put_delivery(connection, self._vault, delivery, most_waiting)
            )
        except IntegrityError:
            # Another replica was asked the same at the same moment.
            return False

    async def lease(
        self, channel: Channel, now: datetime, lease_end: datetime, limit: int
    ) -> list[Delivery]:
        """Takes deliveries of a channel that are due, the oldest first; counts an attempt for each."""
        keys = {"by_channel": channel.value, "present": now}

        def look(connection: Connection) -> bool:
            return bool(connection.execute(_DUE, {**keys, "most": 1}).first())

        def take(connection: Connection) -> list[Delivery]:
            taken = []
            for row in connection.execute(_TAKEN, {**keys, "most": limit}).all():
                lease = str(uuid.uuid4())
                changes = {
                    "by_id": row.id,
                    "was_due": row.due_time,
                    "new_lease": lease,
                    "lease_end": lease_end,
                }
                if connection.execute(_LEASE, changes).rowcount:
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

    async def next_due(self, channel: Channel) -> datetime | None:
        """When the first delivery of a channel is due; None where none waits."""

        def work(connection: Connection) -> datetime | None:
            found: datetime | None = connection.execute(
                _NEXT, {"by_channel": channel.value}
            ).scalar()
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

    def _delivery(self, row: Row[Any]) -> Delivery:
        content = None
        expire_time = row.expire_time or row.accept_time
        if row.message is not None:
            content = Content(**json.loads(self._vault.open(bytes(row.message), _context(row.id))))
        elif row.content is not None:
            said = json.loads(self._vault.open(bytes(row.content), _context(row.id)))
            content, expire_time = former_content(said)
        return Delivery(
            id=row.id,
            channel=Channel(row.channel),
            destination=row.email,
            content=content,
            fact_id=row.fact_id or row.id,
            accept_time=row.accept_time,
            due_time=row.due_time or row.accept_time,
            expire_time=expire_time,
            kind=row.kind,
            user=row.user_name,
            state=State(row.state),
            attempts=row.attempts,
            lease=row.lease,
        )


def _sealed(vault: Vault, delivery: Delivery) -> bytes | None:
    if delivery.content is None:
        return None
    return vault.seal(json.dumps(asdict(delivery.content)).encode(), _context(delivery.id))


def _context(delivery_id: str) -> str:
    return f"deliveries/{delivery_id}"
