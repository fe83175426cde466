"""The queue for room, within somebody else's transaction: fair round robin over people.

Each one that waits has a turn. The turn of somebody's next request is one after that of their last
one, and never before the turn that is served now: so whoever asks for one thing comes right after
those of the present round, however many somebody else has asked for. Turns do not change while
others come; so a place only ever gets better, unless an admin says otherwise.

The row of the pace is locked first, so that on a server too one transaction at a time changes the queue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, or_, select, update

from allocation_svc.domain.faults import OthersWait, QueueFull, StockExhausted
from allocation_svc.domain.queue_place import Pace, QueuePlace
from allocation_svc.schema.tables import QUEUE, QUEUE_PACE, QUEUE_TURNS
from chassis.sql import Prepared, upsert

# Between two that come after each other, so that others find room there.
_STEP = 1 << 20
_FORGOTTEN = timedelta(days=1)
_STOCK = "STOCK_EXHAUSTED"

_Q, _P, _T = QUEUE.c, QUEUE_PACE.c, QUEUE_TURNS.c
_BEGUN = {"id": 1, "turn": 0, "number": 0, "pause_millis": None, "left_time": None}
_LOCKED = upsert(QUEUE_PACE, _BEGUN, ["id"], {"turn": _P.turn})
_PACE = select(_P.turn, _P.number, _P.pause_millis, _P.left_time)
_PACED = update(QUEUE_PACE).values(
    turn=bindparam("to_turn"),
    number=bindparam("to_number"),
    pause_millis=bindparam("to_pause"),
    left_time=bindparam("to_left"),
)
_LENGTH = select(func.count()).select_from(QUEUE)
_LAST_OF_OWNER = select(func.max(_Q.turn)).where(_Q.owner == bindparam("of_owner"))
_SERVED = select(_T.turn).where(_T.owner == bindparam("of_owner"))
_SERVE = upsert(QUEUE_TURNS, None, ["owner"], ["turn"])
_NEW = insert(QUEUE)
_ONE = select(_Q.turn, _Q.number, _Q.owner, _Q.claim).where(
    _Q.allocation == bindparam("of_allocation")
)
_GONE = delete(QUEUE).where(_Q.allocation == bindparam("of_allocation"))
_NEARER = (
    update(QUEUE)
    .where(_Q.owner == bindparam("of_owner"), _Q.turn > bindparam("after_turn"))
    .values(turn=_Q.turn - 1)
)
_BEFORE = (
    select(func.count())
    .select_from(QUEUE)
    .where(
        or_(
            _Q.turn < bindparam("of_turn"),
            and_(_Q.turn == bindparam("of_turn"), _Q.number < bindparam("of_number")),
        )
    )
)
_IN_ORDER = select(
    _Q.allocation, _Q.owner, _Q.machine, _Q.turn, _Q.number, _Q.waiting_for
).order_by(_Q.turn, _Q.number)
_BLOCKING = Prepared(select(_Q.waiting_for).where(_Q.waiting_for != _STOCK).limit(1))
_BLOCKING_STOCK = Prepared(
    select(_Q.waiting_for)
    .where(_Q.waiting_for == _STOCK, _Q.machine == bindparam("of_machine"))
    .limit(1)
)
_MOVED = (
    update(QUEUE)
    .where(_Q.allocation == bindparam("of_allocation"))
    .values(turn=bindparam("to_turn"), number=bindparam("to_number"))
)
_WAITS_FOR = (
    update(QUEUE)
    .where(_Q.allocation == bindparam("of_allocation"))
    .values(waiting_for=bindparam("to_reason"))
)


@dataclass(frozen=True, slots=True)
class Row:
    """One that waits. See `schema.tables`."""

    allocation: str
    owner: str
    machine: str
    turn: int
    number: int
    waiting_for: str


def refuse_to_overtake(connection: Connection, machine: str, stock: int) -> None:
    """Keeps what becomes free for those who wait for it.

    Raises:
        OthersWait: for room.
        StockExhausted: for this machine alone.
    """
    if _BLOCKING.first(connection) is not None:
        raise OthersWait
    if stock and _BLOCKING_STOCK.first(connection, {"of_machine": machine}) is not None:
        raise StockExhausted(machine, stock)


def enter(
    connection: Connection,
    allocation: str,
    owner: str,
    machine: str,
    *,
    waiting_for: str,
    claim: Mapping[str, Any],
    limit: int,
    now: datetime,
) -> QueuePlace:
    """Puts an allocation into the queue.

    Args:
        connection: in the transaction that writes the allocation.
        allocation: its name.
        owner: its owner.
        machine: its machine.
        waiting_for: the reason why there is no room, from the closed list.
        claim: what is to be taken once there is.
        limit: how many may wait.
        now: the present.

    Raises:
        QueueFull: as many wait as may; the transaction must not be committed.
    """
    turn, number, pace = _locked(connection)
    length = connection.execute(_LENGTH).scalar_one()
    if length >= limit:
        raise QueueFull(length)
    if not length:
        connection.execute(delete(QUEUE_TURNS))
        forgotten = pace.left_time is None or now - pace.left_time > _FORGOTTEN
        pace = Pace(None if forgotten else pace.pause_seconds, now)
    mine = turn
    for others in (_LAST_OF_OWNER, _SERVED):
        last = connection.execute(others, {"of_owner": owner}).scalar()
        mine = max(mine, -1 if last is None else last + 1)
    number += _STEP
    _write_pace(connection, turn, number, pace)
    connection.execute(
        _NEW,
        {
            "allocation": allocation,
            "owner": owner,
            "machine": machine,
            "turn": mine,
            "number": number,
            "waiting_for": waiting_for,
            "claim": dict(claim),
        },
    )
    return _place(connection, (mine, number), length + 1, pace, now)


def leave(connection: Connection, allocation: str, now: datetime, *, admitted: bool) -> None:
    """Takes an allocation out of the queue, if it is in it.

    Args:
        connection: in the transaction that writes the allocation.
        allocation: its name.
        now: the present.
        admitted: whether its turn has come; else its owner's later ones each move up by one.
    """
    turn, number, pace = _locked(connection)
    row = connection.execute(_ONE, {"of_allocation": allocation}).first()
    if row is None:
        return
    connection.execute(_GONE, {"of_allocation": allocation})
    if admitted:
        _write_pace(connection, max(turn, row.turn), number, pace.left(now))
        served = connection.execute(_SERVED, {"of_owner": row.owner}).scalar()
        latest = row.turn if served is None else max(served, row.turn)
        connection.execute(_SERVE, {"owner": row.owner, "turn": latest})
    else:
        connection.execute(_NEARER, {"of_owner": row.owner, "after_turn": row.turn})


def claim_of(connection: Connection, allocation: str) -> Mapping[str, Any] | None:
    """What one that waits is to take; None where it does not wait."""
    row = connection.execute(_ONE, {"of_allocation": allocation}).first()
    return None if row is None else row.claim


def waits_for(connection: Connection, allocation: str, reason: str) -> None:
    """Says why there is no room for one that waits."""
    connection.execute(_WAITS_FOR, {"of_allocation": allocation, "to_reason": reason})


def in_order(connection: Connection) -> Sequence[Row]:
    """All that wait, the next one first."""
    return [Row(*row) for row in connection.execute(_IN_ORDER)]


def places(connection: Connection, now: datetime) -> Mapping[str, QueuePlace]:
    """Where each stands that waits."""
    rows = in_order(connection)
    pace = _pace(connection)[2]
    return {
        row.allocation: QueuePlace(place, len(rows), pace.expected(place, now))
        for place, row in enumerate(rows, 1)
    }


def place_of(connection: Connection, allocation: str, now: datetime) -> QueuePlace | None:
    """Where one stands; None where it does not wait."""
    row = connection.execute(_ONE, {"of_allocation": allocation}).first()
    if row is None:
        return None
    length = connection.execute(_LENGTH).scalar_one()
    return _place(connection, (row.turn, row.number), length, _pace(connection)[2], now)


def place_of_next(connection: Connection, owner: str, now: datetime) -> QueuePlace:
    """Where an owner's next request would stand."""
    turn, number, pace = _pace(connection)
    for others in (_LAST_OF_OWNER, _SERVED):
        last = connection.execute(others, {"of_owner": owner}).scalar()
        turn = max(turn, -1 if last is None else last + 1)
    length = connection.execute(_LENGTH).scalar_one()
    return _place(connection, (turn, number + _STEP), length + 1, pace, now)


def prioritize(connection: Connection, allocation: str, position: int) -> bool:
    """Moves one that waits to a position, the last one at most.

    Returns:
        Whether it waits.
    """
    _locked(connection)
    rows = in_order(connection)
    moved = next((row for row in rows if row.allocation == allocation), None)
    if moved is None:
        return False
    others = [row for row in rows if row is not moved]
    at = min(position - 1, len(others))
    before = others[at - 1] if at else None
    after = others[at] if at < len(others) else None
    key = _between(before, after) or (moved.turn, moved.number)
    if before and after and before.turn == after.turn and key[1] in (before.number, after.number):
        # No room between the two: number them all anew.
        for place, row in enumerate(others):
            _number(connection, row.allocation, row.turn, (place + (place >= at)) * _STEP)
        key = (after.turn, at * _STEP)
    _number(connection, allocation, *key)
    return True


def _between(before: Row | None, after: Row | None) -> tuple[int, int] | None:
    if after is None:
        return None if before is None else (before.turn, before.number + _STEP)
    if before is None or before.turn != after.turn:
        return after.turn, after.number - _STEP
    return after.turn, (before.number + after.number) // 2


def _number(connection: Connection, allocation: str, turn: int, number: int) -> None:
    connection.execute(_MOVED, {"of_allocation": allocation, "to_turn": turn, "to_number": number})


def _place(
    connection: Connection, key: tuple[int, int], length: int, pace: Pace, now: datetime
) -> QueuePlace:
    before = connection.execute(_BEFORE, {"of_turn": key[0], "of_number": key[1]}).scalar_one()
    return QueuePlace(before + 1, length, pace.expected(before + 1, now))


def _locked(connection: Connection) -> tuple[int, int, Pace]:
    connection.execute(_LOCKED)
    return _pace(connection)


def _pace(connection: Connection) -> tuple[int, int, Pace]:
    row = connection.execute(_PACE).first()
    if row is None:
        return 0, 0, Pace()
    seconds = None if row.pause_millis is None else row.pause_millis / 1000
    return row.turn, row.number, Pace(seconds, row.left_time)


def _write_pace(connection: Connection, turn: int, number: int, pace: Pace) -> None:
    millis = None if pace.pause_seconds is None else round(pace.pause_seconds * 1000)
    connection.execute(
        _PACED,
        {
            "to_turn": turn,
            "to_number": number,
            "to_pause": millis,
            "to_left": pace.left_time,
        },
    )
