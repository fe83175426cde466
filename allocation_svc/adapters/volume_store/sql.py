"""Volumes in a SQL database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, or_, select, update

from allocation_svc.adapters.volume_store.rows import ALL, VolumeRecordsOf, VolumeRows, volume_of
from allocation_svc.domain.volume import MIB, Volume, VolumeFact, VolumeState
from allocation_svc.domain.volume_faults import VolumesExceeded, VolumeTooLarge
from allocation_svc.ports.volume_store import Measure, Shelf, VolumeSelection
from allocation_svc.schema.tables import SHELVES, VOLUMES
from chassis.clock import Clock
from chassis.listing import Condition
from chassis.sql import Database, upsert

_COLUMNS = VOLUMES.c
_EVERY = (
    ALL.where(_COLUMNS.name > bindparam("after")).order_by(_COLUMNS.name).limit(bindparam("size"))
)
_KEPT = select(
    func.count(),
    func.coalesce(func.sum(_COLUMNS.size_bytes), 0),
).where(
    _COLUMNS.owner == bindparam("of_owner"),
    _COLUMNS.state.in_([VolumeState.DETACHED.value, VolumeState.LOST.value]),
)
_COMING = select(
    func.count(),
    func.coalesce(func.sum(_COLUMNS.size_limit_mib), 0),
).where(
    _COLUMNS.owner == bindparam("of_owner"),
    _COLUMNS.state == VolumeState.UPLOADING.value,
)
_MEASURED = (
    update(VOLUMES)
    .where(_COLUMNS.name == bindparam("of_name"))
    .values(size_bytes=bindparam("size"), measure_time=bindparam("time"))
)
# One row to lock: so that the last room is given once.
_LOCKED = upsert(SHELVES, None, ["owner"], {"begun": SHELVES.c.begun + 1})
_SEARCHED = {
    "state": _COLUMNS.state,
    "allocation": _COLUMNS.allocation,
    "machine": _COLUMNS.machine,
}
_MOST_MIB = 10_485_760


class SqlVolumeStore:
    """Keeps volumes in the database of the allocations."""

    def __init__(self, database: Database, clock: Clock, records_of: VolumeRecordsOf) -> None:
        """Works on an open database.

        Args:
            database: at the newest schema.
            clock: tells when.
            records_of: makes what goes onto the bus.
        """
        self._database = database
        self._clock = clock
        self._rows = VolumeRows(records_of)

    async def find(self, name: str, owner: str = "") -> Volume | None:
        """One volume."""
        found = await self._database.get(lambda connection: self._rows.one(connection, name))
        return found if found is not None and owner in ("", found.owner) else None

    async def page(
        self, selection: VolumeSelection, size: int, after: tuple[Any, ...] | None = None
    ) -> Sequence[Volume]:
        """Volumes, newest first."""
        conditions = [_where(condition) for condition in selection.conditions]
        if selection.owner:
            conditions.append(_COLUMNS.owner == selection.owner)
        if after is not None:
            time, name = after
            conditions.append(
                or_(
                    _COLUMNS.create_time < time,
                    and_(_COLUMNS.create_time == time, _COLUMNS.name < name),
                )
            )
        statement = (
            ALL.where(*conditions)
            .order_by(_COLUMNS.create_time.desc(), _COLUMNS.name.desc())
            .limit(size)
        )
        return await self._database.read(
            lambda connection: [volume_of(row) for row in connection.execute(statement).mappings()]
        )

    async def every(self, size: int, after: str = "") -> Sequence[Volume]:
        """Volumes of everybody, by name."""
        bounds = {"after": after, "size": size}
        return await self._database.read(
            lambda connection: [
                volume_of(row) for row in connection.execute(_EVERY, bounds).mappings()
            ]
        )

    async def of_allocation(self, allocation: str) -> Sequence[Volume]:
        """The volumes of an allocation."""
        found = await self._database.get(
            lambda connection: self._rows.of_allocation(connection, allocation)
        )
        return sorted(found, key=lambda volume: volume.path)

    async def kept(self, owner: str) -> Shelf:
        """What a person has detached, with what their present uploads may become."""
        return await self._database.get(lambda connection: _kept(connection, owner))

    async def begin(self, volume: Volume, shelf: Shelf | None) -> Volume:
        """Keeps a volume that is about to be filled."""

        def work(connection: Connection) -> Volume:
            connection.execute(_LOCKED, {"owner": volume.owner, "begun": 1})
            begun = _with_room(volume, shelf, _kept(connection, volume.owner))
            self._rows.insert(connection, begun)
            return begun

        return await self._database.write(work)

    async def replace(self, after: Volume, fact: VolumeFact | None = None) -> Volume | None:
        """Writes a changed volume down, if the kept one has its version."""
        now = self._clock.now()
        return await self._database.write(
            lambda connection: self._rows.change(connection, after, fact, now)
        )

    async def measured(self, measures: Sequence[Measure]) -> None:
        """Writes down how much volumes hold."""
        rows = [
            {"of_name": one.name, "size": one.size_bytes, "time": one.measure_time}
            for one in measures
        ]
        if rows:
            await self._database.write(lambda connection: connection.execute(_MEASURED, rows))

    async def remove(self, volume: Volume, fact: VolumeFact | None) -> bool:
        """Forgets a volume, if the kept one has its version."""
        now = self._clock.now()
        return await self._database.write(
            lambda connection: self._rows.forget(connection, volume, fact, now)
        )


def _kept(connection: Connection, owner: str) -> Shelf:
    volumes, size = connection.execute(_KEPT, {"of_owner": owner}).one()
    coming, mib = connection.execute(_COMING, {"of_owner": owner}).one()
    return Shelf(volumes + coming, int(size) + int(mib) * MIB)


def _with_room(volume: Volume, shelf: Shelf | None, kept: Shelf) -> Volume:
    """The volume with its limit.

    Raises:
        VolumesExceeded, VolumeTooLarge: there is no room for it.
    """
    if shelf is None:
        return replace(volume, size_limit_mib=volume.size_limit_mib or _MOST_MIB)
    if kept.volumes >= shelf.volumes:
        raise VolumesExceeded(shelf.volumes)
    left = shelf.size_bytes - kept.size_bytes
    limit = volume.size_limit_mib or left // MIB
    if limit < 1 or limit * MIB > left:
        raise VolumeTooLarge(shelf.size_bytes, left)
    return replace(volume, size_limit_mib=limit)


def _where(condition: Condition) -> ColumnElement[bool]:
    column = _SEARCHED[condition.field]
    return column != condition.value if condition.op == "!=" else column == condition.value
