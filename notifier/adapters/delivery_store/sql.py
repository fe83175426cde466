"""Deliveries in SQL."""

from __future__ import annotations

import json
import operator
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Update,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from chassis.identity import Vault
from chassis.listing import Condition
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
_OF_CHANNEL = DELIVERIES.c.channel == bindparam("by_channel")
_THERE = DELIVERIES.c.email == bindparam("by_destination")
_ELSEWHERE = DELIVERIES.c.email.not_in(bindparam("but", expanding=True))
_WAITING = select(func.count()).where(_OF_CHANNEL, DELIVERIES.c.due_time.is_not(None))
_WAITING_THERE = _WAITING.where(_THERE)
_NEXT = select(func.min(DELIVERIES.c.due_time)).where(_OF_CHANNEL)
_NEXT_ELSEWHERE = _NEXT.where(_ELSEWHERE)
_DUE = (
    select(DELIVERIES)
    .where(_OF_CHANNEL, DELIVERIES.c.due_time <= bindparam("present"))
    .order_by(DELIVERIES.c.due_time, DELIVERIES.c.id)
    .limit(bindparam("most"))
)
_DUE_THERE = _DUE.where(_THERE)
_DESTINATIONS_DUE = (
    select(DELIVERIES.c.email)
    .where(_OF_CHANNEL, DELIVERIES.c.due_time <= bindparam("present"), _ELSEWHERE)
    .group_by(DELIVERIES.c.email)
    .order_by(func.min(DELIVERIES.c.due_time), DELIVERIES.c.email)
    .limit(bindparam("most"))
)
_LEASE = (
    update(DELIVERIES)
    .where(DELIVERIES.c.id == bindparam("by_id"), DELIVERIES.c.due_time == bindparam("was_due"))
    .values(
        state=State.LEASED.value,
        lease=bindparam("new_lease"),
        attempts=DELIVERIES.c.attempts + 1,
        attempt_time=bindparam("present"),
        due_time=bindparam("lease_end"),
    )
)
_PRESENT = bindparam("present", type_=DELIVERIES.c.due_time.type)
_RECLAIM = (
    update(DELIVERIES)
    .where(_OF_CHANNEL, DELIVERIES.c.state == State.LEASED.value)
    .values(
        state=State.PENDING.value,
        lease="",
        # At once; none is due later than it expires.
        due_time=case(
            (DELIVERIES.c.expire_time < _PRESENT, DELIVERIES.c.expire_time), else_=_PRESENT
        ),
    )
)
_OF_LEASE = update(DELIVERIES).where(
    DELIVERIES.c.id == bindparam("by_id"),
    DELIVERIES.c.state == State.LEASED.value,
    DELIVERIES.c.lease == bindparam("by_lease"),
)
_TOLD: Mapping[str, Any] = {"response_code": bindparam("answer"), "error": bindparam("why")}
_END = _OF_LEASE.values(
    state=bindparam("becomes"), content=None, message=None, due_time=None, lease="", **_TOLD
)
# What is replayed has to be kept; nothing of it is secret.
_END_KEPT = _OF_LEASE.values(state=bindparam("becomes"), due_time=None, lease="", **_TOLD)
_POSTPONE = _OF_LEASE.values(
    state=State.PENDING.value, due_time=bindparam("until"), lease="", **_TOLD
)
_GIVE_UP = (
    update(DELIVERIES)
    .where(_OF_CHANNEL, _THERE, DELIVERIES.c.due_time.is_not(None))
    .values(state=State.FAILED.value, due_time=None, lease="", error=bindparam("why"))
)
_REPLAY = (
    update(DELIVERIES)
    .where(
        DELIVERIES.c.id == bindparam("by_id"),
        DELIVERIES.c.due_time.is_(None),
        DELIVERIES.c.message.is_not(None),
    )
    .values(
        state=State.PENDING.value,
        attempts=0,
        due_time=bindparam("present"),
        expire_time=bindparam("until"),
        response_code=0,
        error="",
    )
)
_ERASE = in_parts(delete(DELIVERIES).where(DELIVERIES.c.user_name == bindparam("by_user")))
_NEWEST_FIRST = (
    select(DELIVERIES)
    .where(_OF_CHANNEL, _THERE)
    .order_by(DELIVERIES.c.accept_time.desc(), DELIVERIES.c.id.desc())
)
_SWEEP = in_parts(
    delete(DELIVERIES).where(
        DELIVERIES.c.due_time.is_(None), DELIVERIES.c.accept_time < bindparam("before")
    )
)
_TAKEN = {due: due.with_for_update(skip_locked=True) for due in (_DUE, _DUE_THERE)}
_COMPARED: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
}
_LONGEST = 300
"""The most characters of an error."""
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
    if _is_full(connection, delivery, most_waiting):
        if delivery.channel is not Channel.WEBHOOK:
            raise _full()
        # One webhook that takes nothing fails nothing else: its owner sees this, and can replay it.
        delivery = replace(
            delivery, state=State.FAILED, error="Too many messages wait for this webhook."
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
            "due_time": None if delivery.has_ended else delivery.due_time,
            "expire_time": delivery.expire_time,
            "response_code": delivery.response_code,
            "error": delivery.error,
            "attempt_time": delivery.attempt_time,
        },
    )
    return True


def _is_full(connection: Connection, delivery: Delivery, most_waiting: int) -> bool:
    """Whether as many wait as may: of the channel, or, for a webhook, of it alone."""
    keys = {"by_channel": delivery.channel.value, "by_destination": delivery.destination}
    if delivery.channel is Channel.WEBHOOK:
        return (connection.execute(_WAITING_THERE, keys).scalar() or 0) >= most_waiting
    del keys["by_destination"]
    return (connection.execute(_WAITING, keys).scalar() or 0) >= most_waiting


def _full() -> DeliveryQueueFull:
    return DeliveryQueueFull(
        "Too many messages wait for delivery; try again in a minute.", retry_after=_QUEUE_FULL_RETRY
    )


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

    async def destinations_due(
        self, channel: Channel, now: datetime, but: Collection[str], limit: int
    ) -> list[str]:
        """The destinations for which something is due, the one that waits longest first."""
        keys = {"by_channel": channel.value, "present": now, "but": list(but), "most": limit}
        return await self._database.get(
            lambda connection: list(connection.execute(_DESTINATIONS_DUE, keys).scalars().all())
        )

    async def lease(
        self,
        channel: Channel,
        now: datetime,
        lease_end: datetime,
        limit: int,
        destination: str = "",
    ) -> list[Delivery]:
        """Takes deliveries of a channel that are due, the oldest first; counts an attempt for each."""
        due = _DUE_THERE if destination else _DUE
        # What another worker is taking at this moment is left to it.
        taking = _TAKEN[due]
        keys = {"by_channel": channel.value, "present": now}
        if destination:
            keys["by_destination"] = destination

        def look(connection: Connection) -> bool:
            return bool(connection.execute(due, {**keys, "most": 1}).first())

        def take(connection: Connection) -> list[Delivery]:
            taken = []
            for row in connection.execute(taking, {**keys, "most": limit}).all():
                lease = str(uuid.uuid4())
                changes = {
                    "by_id": row.id,
                    "was_due": row.due_time,
                    "new_lease": lease,
                    "lease_end": lease_end,
                    "present": now,
                }
                if connection.execute(_LEASE, changes).rowcount:
                    found = connection.execute(_ONE, {"by_id": row.id}).one()
                    taken.append(self._delivery(found))
            return taken

        # Mostly nothing is due, and then nobody has to write.
        return await self._database.write(take) if await self._database.get(look) else []

    async def reclaim(self, channel: Channel, now: datetime) -> int:
        """Makes everything of a channel that is leased due; only where no other process uses it."""
        keys = {"by_channel": channel.value, "present": now}
        return await self._changed(_RECLAIM, keys)

    async def sent(self, delivery: Delivery, response_code: int = 0) -> bool:
        """Ends a leased delivery; False if the lease was lost."""
        return await self._end(delivery, State.SENT, "", response_code)

    async def failed(self, delivery: Delivery, error: str, response_code: int = 0) -> bool:
        """Gives a leased delivery up; False if the lease was lost."""
        return await self._end(delivery, State.FAILED, error, response_code)

    async def postpone(
        self, delivery: Delivery, until: datetime, error: str, response_code: int = 0
    ) -> bool:
        """Gives a leased delivery back, to be tried then; False if the lease was lost."""
        keys = {**_of_lease(delivery, error, response_code), "until": until}
        return bool(await self._changed(_POSTPONE, keys))

    async def give_up(self, channel: Channel, destination: str, error: str) -> int:
        """Gives up everything that waits for a destination; returns how much it was."""
        keys = {"by_channel": channel.value, "by_destination": destination, "why": error[:_LONGEST]}
        return await self._changed(_GIVE_UP, keys)

    async def replay(
        self, delivery: Delivery, now: datetime, until: datetime, most_waiting: int
    ) -> bool:
        """Has a delivery that has ended tried again; False where it has not ended, or is no more.

        Raises:
            DeliveryQueueFull: as many wait already.
        """

        def work(connection: Connection) -> bool:
            if _is_full(connection, delivery, most_waiting):
                raise _full()
            keys = {"by_id": delivery.id, "present": now, "until": until}
            return bool(connection.execute(_REPLAY, keys).rowcount)

        return await self._database.write(work)

    async def erase(self, user: str) -> int:
        """Removes everything that was for a person; returns how much it was."""
        return await sweep(self._database, _ERASE, {"by_user": user}) if user else 0

    async def page(
        self,
        destination: str,
        conditions: Sequence[Condition],
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[Delivery]:
        """Deliveries to a webhook, newest first."""
        statement = _NEWEST_FIRST.limit(limit).where(
            *(_COMPARED[one.op](DELIVERIES.c[one.field], one.value) for one in conditions)
        )
        if after is not None:
            time, made = after
            statement = statement.where(
                or_(
                    DELIVERIES.c.accept_time < time,
                    and_(DELIVERIES.c.accept_time == time, DELIVERIES.c.id < made),
                )
            )
        keys = {"by_channel": Channel.WEBHOOK.value, "by_destination": destination}

        def work(connection: Connection) -> list[Delivery]:
            return [self._delivery(row) for row in connection.execute(statement, keys).all()]

        return await self._database.get(work)

    async def get(self, delivery_id: str) -> Delivery | None:
        """The delivery, also one that has ended, until it is swept."""

        def work(connection: Connection) -> Delivery | None:
            row = connection.execute(_ONE, {"by_id": delivery_id}).first()
            return None if row is None else self._delivery(row)

        return await self._database.get(work)

    async def next_due(self, channel: Channel, but: Collection[str] = ()) -> datetime | None:
        """When the first delivery of a channel is due; None where none waits."""
        keys: dict[str, Any] = {"by_channel": channel.value}
        if but:
            keys["but"] = list(but)

        def work(connection: Connection) -> datetime | None:
            found: datetime | None = connection.execute(
                _NEXT_ELSEWHERE if but else _NEXT, keys
            ).scalar()
            return found

        return await self._database.get(work)

    async def sweep(self, before: datetime) -> int:
        """Forgets deliveries that were accepted before then and have ended."""
        return await sweep(self._database, _SWEEP, {"before": before})

    async def _end(self, delivery: Delivery, state: State, error: str, response_code: int) -> bool:
        keys = {**_of_lease(delivery, error, response_code), "becomes": state.value}
        kept = delivery.channel is Channel.WEBHOOK
        return bool(await self._changed(_END_KEPT if kept else _END, keys))

    async def _changed(self, statement: Update, keys: Mapping[str, Any]) -> int:
        return await self._database.write(
            lambda connection: connection.execute(statement, keys).rowcount
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
            response_code=row.response_code,
            error=row.error,
            attempt_time=row.attempt_time,
        )


def _of_lease(delivery: Delivery, error: str, response_code: int) -> dict[str, Any]:
    return {
        "by_id": delivery.id,
        "by_lease": delivery.lease,
        "why": error[:_LONGEST],
        "answer": response_code,
    }


def _sealed(vault: Vault, delivery: Delivery) -> bytes | None:
    if delivery.content is None:
        return None
    return vault.seal(json.dumps(asdict(delivery.content)).encode(), _context(delivery.id))


def _context(delivery_id: str) -> str:
    return f"deliveries/{delivery_id}"
