"""Resource classes in a SQL database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from allocation_svc.domain.faults import ResourceClassExists
from allocation_svc.domain.resource_class import ResourceClass
from allocation_svc.schema.tables import ONCE, RESOURCE_CLASSES
from chassis.clock import Clock, instant_of, millis_of
from chassis.listing import Once
from chassis.sql import Database, Prepared
from chassis.sql.once import recall, remember

_C = RESOURCE_CLASSES.c
_ALL = select(RESOURCE_CLASSES).order_by(_C.memory_bytes, _C.cpu_millis, _C.id)
_ONE = Prepared(select(RESOURCE_CLASSES).where(_C.id == bindparam("of_id")))
_DEFAULT = Prepared(select(RESOURCE_CLASSES).where(_C.is_default == 1))
_NAMES = [column.name for column in _C]
_COUNT = select(func.count()).select_from(RESOURCE_CLASSES)
_NEW = insert(RESOURCE_CLASSES)
_CHANGED = update(RESOURCE_CLASSES).where(
    _C.id == bindparam("of_id"), _C.version == bindparam("of_version")
)
_NOT_DEFAULT = (
    update(RESOURCE_CLASSES)
    .where(_C.id != bindparam("of_id"), _C.is_default == 1)
    .values(is_default=0, version=_C.version + 1)
)
_GONE = delete(RESOURCE_CLASSES).where(_C.id == bindparam("of_id"), _C.is_default == 0)


class SqlResourceClassStore:
    """Keeps resource classes in the database of the allocations."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Works on an open database."""
        self._database = database
        self._clock = clock

    async def seed(self, classes: Sequence[ResourceClass]) -> None:
        """Keeps these where there has never been any."""

        def work(connection: Connection) -> None:
            if not connection.execute(_COUNT).scalar_one():
                connection.execute(_NEW, [_row(each) for each in classes])

        # Another replica may be starting too: then its classes are there.
        try:
            await self._database.write(work)
        except IntegrityError:
            return

    async def find(self, class_id: str) -> ResourceClass | None:
        """One class."""
        lookup = _ONE if class_id else _DEFAULT
        row = await self._database.first(lookup, {"of_id": class_id} if class_id else {})
        return None if row is None else _class(row)

    async def all(self) -> Sequence[ResourceClass]:
        """Every class."""
        return await self._database.read(
            lambda connection: [_class(row) for row in connection.execute(_ALL)]
        )

    async def add(self, added: ResourceClass, once: Once | None = None) -> ResourceClass:
        """Keeps a new class."""
        now = self._clock.now()

        def work(connection: Connection) -> ResourceClass:
            answered = recall(connection, ONCE, once, now)
            if answered is not None:
                return _class_of(answered)
            connection.execute(_NEW, _row(added))
            if added.is_default:
                connection.execute(_NOT_DEFAULT, {"of_id": added.id})
            remember(connection, ONCE, once, _document(added) if once else {}, now)
            return added

        try:
            return await self._database.write(work)
        except IntegrityError:
            raise ResourceClassExists(added.name) from None

    async def replace(self, after: ResourceClass) -> ResourceClass | None:
        """Writes a changed class down."""
        kept = replace(after, version=after.version + 1)

        def work(connection: Connection) -> ResourceClass | None:
            row = {**_row(kept), "of_id": kept.id, "of_version": after.version}
            if connection.execute(_CHANGED, row).rowcount != 1:
                return None
            if kept.is_default:
                connection.execute(_NOT_DEFAULT, {"of_id": kept.id})
            return kept

        return await self._database.write(work)

    async def remove(self, class_id: str, version: int | None) -> bool:
        """Removes a class."""
        statement = _GONE if version is None else _GONE.where(_C.version == version)
        return await self._database.write(
            lambda connection: connection.execute(statement, {"of_id": class_id}).rowcount == 1
        )


def _row(kept: ResourceClass) -> dict[str, Any]:
    return {
        "id": kept.id,
        "title": kept.title,
        "cpu_millis": kept.cpu_millis,
        "memory_bytes": kept.memory_bytes,
        "pids": kept.pids,
        "disk_bytes": kept.disk_bytes,
        "is_default": int(kept.is_default),
        "version": kept.version,
        "create_time": kept.create_time,
        "update_time": kept.update_time,
    }


def _class(row: Sequence[Any]) -> ResourceClass:
    named = dict(zip(_NAMES, row, strict=True))
    return ResourceClass(**{**named, "is_default": bool(named["is_default"])})


def _document(kept: ResourceClass) -> dict[str, Any]:
    return {name: _plain(value) for name, value in _row(kept).items()}


def _plain(value: Any) -> Any:
    return millis_of(value) if isinstance(value, datetime) else value


def _class_of(document: dict[str, Any]) -> ResourceClass:
    times = {name: instant_of(document[name]) for name in ("create_time", "update_time")}
    return ResourceClass(**{**document, **times, "is_default": bool(document["is_default"])})
