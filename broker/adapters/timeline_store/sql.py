"""Timelines in a SQL database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    bindparam,
    delete,
    exists,
    func,
    select,
    update,
)

from broker.adapters.timeline_store.rows import (
    act_of,
    act_row,
    event_of,
    event_row,
    first_place,
    leaver_of,
    leaver_row,
    people_in,
)
from broker.domain.entry import Kind
from broker.domain.event import DELETED_PERSON, Act, Event, Leaver, News
from broker.schema.tables import ACTS, DIRECTORIES, ENTRIES, EVENTS, LEAVERS
from chassis.listing import Condition
from chassis.sql import Database, upsert
from chassis.sql.sweeping import in_parts, sweep

_MOST_LEAVERS = 10_000

# What is there already stays as it is: its type is the same.
_ADD_EVENTS = upsert(EVENTS, None, ["allocation", "place"], ["type"])
_ADD_ACTS = upsert(ACTS, None, ["place"], ["type"])
_ADD_LEAVERS = upsert(LEAVERS, None, ["person"], {"person": LEAVERS.c.person})
_GONE = select(LEAVERS.c.person).where(LEAVERS.c.person.in_(bindparam("people", expanding=True)))
_LEAVERS = (
    select(LEAVERS)
    .where(LEAVERS.c.time >= bindparam("since"))
    .order_by(LEAVERS.c.time)
    .limit(_MOST_LEAVERS)
)
_ERASURES = tuple(
    update(column.table).where(column == bindparam("person")).values({column.name: DELETED_PERSON})
    for column in (EVENTS.c.actor, ACTS.c.actor, ACTS.c.resource)
)
_LEFT_OVER = tuple(
    update(column.table)
    .where(column.in_(select(LEAVERS.c.person)))
    .values({column.name: DELETED_PERSON})
    for column in (EVENTS.c.actor, ACTS.c.actor, ACTS.c.resource)
)
_TOO_OLD = (
    select(EVENTS.c.place)
    .where(EVENTS.c.allocation == bindparam("of_allocation"))
    .order_by(EVENTS.c.place.desc())
    .limit(1)
    .offset(bindparam("most"))
)
_TRIM = delete(EVENTS).where(
    EVENTS.c.allocation == bindparam("of_allocation"), EVENTS.c.place <= bindparam("until")
)
_KNOWN = select(ENTRIES.c.name).where(
    ENTRIES.c.directory
    == select(DIRECTORIES.c.number).where(DIRECTORIES.c.is_read.is_(True)).scalar_subquery(),
    ENTRIES.c.kind == Kind.ALLOCATION.value,
    ENTRIES.c.name == bindparam("allocation"),
)
_OWNED = _KNOWN.where(ENTRIES.c.message.is_not(None), ENTRIES.c.owner == bindparam("owner"))
_OF_ALLOCATION = select(EVENTS).where(EVENTS.c.allocation == bindparam("allocation"))
# By (owner given, descending): each one statement, so that its compiled form is kept.
_PAGES = {
    (owned, descending): (
        _OF_ALLOCATION.where(*([exists(_OWNED)] if owned else []))
        .where(
            EVENTS.c.place < bindparam("after")
            if descending
            else EVENTS.c.place > bindparam("after")
        )
        .order_by(EVENTS.c.place.desc() if descending else EVENTS.c.place)
        .limit(bindparam("size"))
    )
    for owned in (False, True)
    for descending in (False, True)
}
_BEFORE = (
    _OF_ALLOCATION.where(EVENTS.c.place < bindparam("place"), EVENTS.c.phase != "")
    .order_by(EVENTS.c.place.desc())
    .limit(1)
)
_OLD_EVENTS = in_parts(delete(EVENTS).where(EVENTS.c.time < bindparam("until")))
_OLD_ACTS = in_parts(delete(ACTS).where(ACTS.c.place < bindparam("until")))
_LAST = "~"


class SqlTimelineStore:
    """Keeps timelines, what admins did, and who has gone, in a SQL database."""

    def __init__(self, database: Database, most: int) -> None:
        """Works on an open database.

        Args:
            database: at the newest schema.
            most: how many events of an allocation are kept.
        """
        self._database = database
        self._most = most

    async def learn(self, news: News) -> None:
        """Keeps what some facts say."""

        def work(connection: Connection) -> None:
            if news.leavers:
                connection.execute(_ADD_LEAVERS, [leaver_row(one) for one in news.leavers])
                for one in news.leavers:
                    for erasure in _ERASURES:
                        connection.execute(erasure, {"person": one.person})
            gone = _gone(connection, people_in(news))
            if news.events:
                connection.execute(_ADD_EVENTS, [event_row(one, gone) for one in news.events])
                for allocation in {one.allocation for one in news.events}:
                    self._trim(connection, allocation)
            if news.acts:
                connection.execute(_ADD_ACTS, [act_row(one, gone) for one in news.acts])

        await self._database.write(work)

    async def events(
        self, allocation: str, owner: str, after: str, size: int, *, descending: bool
    ) -> list[Event] | None:
        """A page of the events of an allocation, by their places."""
        wanted = {
            "allocation": allocation,
            "owner": owner,
            "after": after or (_LAST if descending else ""),
            "size": size,
        }
        page = _PAGES[bool(owner), descending]

        def work(connection: Connection) -> Sequence[Row[Any]] | None:
            rows = connection.execute(page, wanted).all()
            if rows or after:
                return rows
            known = connection.execute(_OWNED if owner else _KNOWN, wanted).first()
            return rows if known else None

        rows = await self._database.read(work)
        return None if rows is None else [event_of(row._mapping) for row in rows]  # noqa: SLF001 - its public name

    async def before(self, allocation: str, place: str) -> Event | None:
        """The last event before a place that has a phase."""
        row = await self._database.get(
            lambda connection: connection.execute(
                _BEFORE, {"allocation": allocation, "place": place}
            ).first()
        )
        return None if row is None else event_of(row._mapping)  # noqa: SLF001

    async def acts(
        self, conditions: Sequence[Condition], after: str, size: int, *, descending: bool
    ) -> list[Act]:
        """A page of the acts, by their places."""
        place = ACTS.c.place
        page = select(ACTS).where(*(_where(condition) for condition in conditions))
        if after:
            page = page.where(place < after if descending else place > after)
        page = page.order_by(place.desc() if descending else place).limit(size)
        rows = await self._database.read(lambda connection: connection.execute(page).all())
        return [act_of(row._mapping) for row in rows]  # noqa: SLF001

    async def gone(self, people: Collection[str]) -> set[str]:
        """Those of some people who have gone."""
        if not people:
            return set()
        return await self._database.get(lambda connection: _gone(connection, people))

    async def leavers(self, since: datetime) -> list[Leaver]:
        """The people who have gone since a time."""
        rows = await self._database.read(
            lambda connection: connection.execute(_LEAVERS, {"since": since}).all()
        )
        return [leaver_of(row._mapping) for row in rows]  # noqa: SLF001

    async def sweep(self, events_until: datetime, acts_until: datetime) -> int:
        """Removes what happened before these times."""
        for statement in _LEFT_OVER:
            await self._database.write(
                lambda connection, statement=statement: connection.execute(statement)  # type: ignore[misc]
            )
        swept = await sweep(self._database, _OLD_EVENTS, {"until": events_until})
        return swept + await sweep(self._database, _OLD_ACTS, {"until": first_place(acts_until)})

    def _trim(self, connection: Connection, allocation: str) -> None:
        """Removes the oldest events where there are more than are kept."""
        of = {"of_allocation": allocation}
        until = connection.execute(_TOO_OLD, {**of, "most": self._most}).scalar()
        if until is not None:
            connection.execute(_TRIM, {**of, "until": until})


def _gone(connection: Connection, people: Collection[str]) -> set[str]:
    if not people:
        return set()
    return set(connection.execute(_GONE, {"people": list(people)}).scalars())


def _where(condition: Condition) -> ColumnElement[bool]:
    column, value = ACTS.c[condition.field], condition.value
    match condition.op:
        case ":":
            return func.instr(func.lower(column), str(value).lower()) > 0
        case "=":
            return column == value
        case "!=":
            return column != value
        case "<":
            return column < value
        case "<=":
            return column <= value
        case ">":
            return column > value
        case _:
            return column >= value
