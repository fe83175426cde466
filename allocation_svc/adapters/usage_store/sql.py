"""What allocations were, and for how long, in a SQL database: beside the allocations, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    delete,
    distinct,
    func,
    insert,
    select,
    type_coerce,
    update,
)

from allocation_svc.adapters.allocation_store.document import allocation_of
from allocation_svc.domain.allocation import Allocation
from allocation_svc.domain.usage import Interval, Kind, Truth, Usage, Window, first_of, followed
from allocation_svc.schema.tables import ALLOCATIONS, USAGE_INTERVALS
from chassis.clock import instant_of
from chassis.sql import Database, Instant

FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
"""The end of an interval that goes on: so that one index finds what lies in a window."""

_TAIL = 2
_LONG_TAIL = 500
"""How many intervals in a row may turn out to have been something else than UNKNOWN."""

_KINDS = {kind.value: kind for kind in Kind}
_COLUMNS = USAGE_INTERVALS.c
_ROW = (_COLUMNS.number, _COLUMNS.kind, _COLUMNS.asked, _COLUMNS.start_time, _COLUMNS.end_time)

_NEW = insert(USAGE_INTERVALS)
_LAST = (
    select(*_ROW)
    .where(_COLUMNS.allocation == bindparam("of_allocation"))
    .order_by(_COLUMNS.number.desc())
    .limit(bindparam("size"))
)
_AT = and_(
    _COLUMNS.allocation == bindparam("of_allocation"), _COLUMNS.number == bindparam("of_number")
)
_CHANGED = update(USAGE_INTERVALS).where(_AT)
_GONE = delete(USAGE_INTERVALS).where(
    _COLUMNS.allocation == bindparam("of_allocation"), _COLUMNS.number > bindparam("above")
)


def begin_usage(connection: Connection, allocation: Allocation) -> None:
    """Writes down what a new allocation begins with, in the transaction that keeps it."""
    first = first_of(allocation)
    connection.execute(_NEW, _row(allocation, first))


def follow_usage(connection: Connection, after: Allocation, truth: Truth | None = None) -> None:
    """Writes down what a change ends and begins, in the transaction that keeps it, once it has the row.

    Args:
        connection: in that transaction.
        after: the changed allocation.
        truth: what was so while it was UNKNOWN, where that is told now.
    """
    size = _TAIL if truth is None else _LONG_TAIL
    key = {"of_allocation": after.name, "size": size}
    before = [_interval(row) for row in connection.execute(_LAST, key)][::-1]
    if not before:
        # Nothing is lost by telling it from the start once more, whatever has taken its intervals away.
        if after.exists:
            begin_usage(connection, after)
        return
    now = followed(before, after, truth)
    kept = {one.number: one for one in before}
    for one in now:
        known = kept.get(one.number)
        if known is None:
            connection.execute(_NEW, _row(after, one))
        elif known != one:
            row = _row(after, one)
            at = {"of_allocation": row.pop("allocation"), "of_number": row.pop("number")}
            connection.execute(_CHANGED, {**row, **at})
    if before[-1].number > now[-1].number:
        connection.execute(_GONE, {"of_allocation": after.name, "above": now[-1].number})


def _row(allocation: Allocation, interval: Interval) -> dict[str, Any]:
    return {
        "allocation": allocation.name,
        "number": interval.number,
        "machine": allocation.machine,
        "kind": interval.kind.value,
        "asked": int(interval.asked_to_run),
        "start_time": interval.start,
        "end_time": interval.end or FOREVER,
    }


def _interval(row: Sequence[Any]) -> Interval:
    number, kind, asked, start, end = row
    return Interval(number, _KINDS[kind], bool(asked), start, None if end == FOREVER else end)


# Sums. A window is two bound instants; each is compared as the number that it is kept as.


def _number(value: Any) -> ColumnElement[int]:
    return type_coerce(value, BigInteger)


_IN_WINDOW = (
    _COLUMNS.start_time < bindparam("window_end"),
    _COLUMNS.end_time > bindparam("window_start"),
    # A window that has not begun yet has nothing in it.
    bindparam("window_start", type_=Instant()) < bindparam("window_end", type_=Instant()),
)
_CUT_START = case(
    (_COLUMNS.start_time < bindparam("window_start"), bindparam("window_start")),
    else_=_COLUMNS.start_time,
)
_CUT_END = case(
    (_COLUMNS.end_time > bindparam("window_end"), bindparam("window_end")),
    else_=_COLUMNS.end_time,
)
_BEGAN = case(
    (
        and_(
            _COLUMNS.kind == Kind.FAILED.value,
            _COLUMNS.start_time >= bindparam("window_start"),
        ),
        1,
    ),
    else_=0,
)
_SUMS = (
    _COLUMNS.kind,
    _COLUMNS.asked,
    func.sum(_number(_CUT_END) - _number(_CUT_START)),
    func.min(_number(_CUT_START)),
    func.max(_number(_CUT_END)),
    func.sum(_BEGAN),
)


def _sums(*further: ColumnElement[Any]) -> Select[Any]:
    return (
        select(*_SUMS, *further)
        .where(*_IN_WINDOW)
        .group_by(*further, _COLUMNS.kind, _COLUMNS.asked)
    )


_OF_ALLOCATION = _sums().where(_COLUMNS.allocation == bindparam("of_allocation"))
_OF_MACHINE = _sums().where(_COLUMNS.machine == bindparam("of_machine"))
_COUNT_OF_MACHINE = select(func.count(distinct(_COLUMNS.allocation))).where(
    _COLUMNS.machine == bindparam("of_machine"), *_IN_WINDOW
)
_OF_SEVERAL = _sums(_COLUMNS.allocation).where(
    _COLUMNS.allocation.in_(bindparam("allocations", expanding=True))
)
_INTERVALS = (
    select(*_ROW)
    .where(
        _COLUMNS.allocation == bindparam("of_allocation"),
        _COLUMNS.number < bindparam("below"),
        *_IN_WINDOW,
    )
    .order_by(_COLUMNS.number.desc())
    .limit(bindparam("size"))
)
_NO_BOUND = 2**31 - 1
_BY_NAME = (
    select(ALLOCATIONS.c.document)
    .where(ALLOCATIONS.c.name > bindparam("after"))
    .order_by(ALLOCATIONS.c.name)
    .limit(bindparam("size"))
)
_BY_NAME_OF_OWNER = _BY_NAME.where(ALLOCATIONS.c.owner == bindparam("of_owner"))


class SqlUsageStore:
    """Reads from a SQL database what `begin_usage` and `follow_usage` have written."""

    def __init__(self, database: Database) -> None:
        """Works on an open database, that of the allocations."""
        self._database = database

    async def usage(self, allocation: str, window: Window) -> Usage:
        """What an allocation comes to in a window."""
        key = {"of_allocation": allocation, **_bounds(window)}
        return await self._database.read(
            lambda connection: _summed(connection.execute(_OF_ALLOCATION, key))
        )

    async def intervals(
        self, allocation: str, window: Window, size: int, below: int | None = None
    ) -> Sequence[Interval]:
        """The parts of an allocation's intervals that lie in a window, newest first."""
        key = {
            "of_allocation": allocation,
            "below": _NO_BOUND if below is None else below,
            "size": size,
            **_bounds(window),
        }
        found = await self._database.read(
            lambda connection: [_interval(row) for row in connection.execute(_INTERVALS, key)]
        )
        return [cut for one in found if (cut := window.cut(one)) is not None]

    async def usage_of_machine(self, machine: str, window: Window) -> tuple[Usage, int]:
        """What all allocations of a machine come to in a window, and how many of them lived then."""
        key = {"of_machine": machine, **_bounds(window)}

        def work(connection: Connection) -> tuple[Usage, int]:
            usage = _summed(connection.execute(_OF_MACHINE, key))
            return usage, connection.execute(_COUNT_OF_MACHINE, key).scalar_one()

        return await self._database.read(work)

    async def page(
        self, owner: str, window: Window, size: int, after: str = ""
    ) -> Sequence[tuple[Allocation, Usage]]:
        """Allocations by name, each with what it comes to in a window."""
        statement = _BY_NAME_OF_OWNER if owner else _BY_NAME
        key = {"after": after, "size": size} | ({"of_owner": owner} if owner else {})

        def work(connection: Connection) -> list[tuple[Allocation, Usage]]:
            found = [
                allocation_of(document) for document in connection.execute(statement, key).scalars()
            ]
            names = {"allocations": [one.name for one in found], **_bounds(window)}
            parts: dict[str, list[Sequence[Any]]] = {}
            for row in connection.execute(_OF_SEVERAL, names) if found else ():
                parts.setdefault(row[-1], []).append(row)
            return [(one, _summed(parts.get(one.name, ()))) for one in found]

        return await self._database.read(work)


def _bounds(window: Window) -> Mapping[str, datetime]:
    return {"window_start": window.start, "window_end": window.end}


def _summed(rows: Iterable[Sequence[Any]]) -> Usage:
    parts: dict[tuple[Kind, bool], int] = {}
    starts, ends, failures = [], [], 0
    for kind, asked, millis, start, end, began, *_ in rows:
        parts[_KINDS[kind], bool(asked)] = int(millis)
        starts.append(int(start))
        ends.append(int(end))
        failures += int(began)
    if not parts:
        return Usage()
    return Usage(instant_of(min(starts)), instant_of(max(ends)), parts, failures)
