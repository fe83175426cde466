"""The rows of volumes, within somebody else's transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from allocation_svc.domain.allocation import Allocation
from allocation_svc.domain.instance import Volume as PlannedVolume
from allocation_svc.domain.volume import Volume, VolumeFact, VolumeState, volume_name
from allocation_svc.domain.volume_faults import VolumeElsewhere, VolumeInUse, VolumeNotFound
from allocation_svc.schema.tables import OUTBOX, VOLUMES
from chassis.bus import Record
from chassis.bus.outbox import append

_COLUMNS = VOLUMES.c
ALL = select(VOLUMES)
_NEW = insert(VOLUMES)
_OF_ALLOCATION = ALL.where(_COLUMNS.allocation == bindparam("of_allocation")).order_by(
    _COLUMNS.name
)
_BY_NAME = ALL.where(_COLUMNS.name == bindparam("of_name"))
_CHANGED = update(VOLUMES).where(
    _COLUMNS.name == bindparam("of_name"), _COLUMNS.version == bindparam("of_version")
)
_GONE = delete(VOLUMES).where(
    _COLUMNS.name == bindparam("of_name"), _COLUMNS.version == bindparam("of_version")
)

VolumeRecordsOf = Callable[[VolumeFact | None, Volume], Sequence[Record]]
"""Makes what goes onto the bus of a fact (None where there is only a new state) and the volume."""


class VolumeRows:
    """Reads and writes volumes, and tells of them."""

    def __init__(self, records_of: VolumeRecordsOf) -> None:
        """Tells in the words of `records_of`."""
        self._records_of = records_of

    def begin(
        self,
        connection: Connection,
        allocation: Allocation,
        planned: Sequence[PlannedVolume],
        now: datetime,
    ) -> None:
        """Gives a new allocation its volumes: those that it names, and new ones for all other paths.

        Raises:
            VolumeNotFound, VolumeInUse: one that it names is not its owner's, or not free any more; the
                transaction must not be committed.
        """
        limits = {volume.path: volume.size_mib for volume in planned}
        for place, had in enumerate(allocation.volumes, 1):
            if had.volume == volume_name(allocation.name, place):
                self._make(connection, allocation, had.path, had.volume, limits[had.path], now)
            else:
                self._attach(connection, allocation, had.path, had.volume, limits[had.path], now)

    def complete(
        self,
        connection: Connection,
        allocation: Allocation,
        planned: Sequence[PlannedVolume],
        now: datetime,
    ) -> None:
        """Makes those volumes of an allocation that it has not yet."""
        limits = {volume.path: volume.size_mib for volume in planned}
        there = {volume.name for volume in self.of_allocation(connection, allocation.name)}
        for had in allocation.volumes:
            if had.volume not in there:
                self._make(connection, allocation, had.path, had.volume, limits[had.path], now)

    def _make(  # noqa: PLR0917 - all that is new of it
        self,
        connection: Connection,
        allocation: Allocation,
        path: str,
        name: str,
        limit: int,
        now: datetime,
    ) -> None:
        volume = Volume(
            name=name,
            uid=str(uuid4()),
            owner=allocation.owner,
            display_name=f"{allocation.display_name}{path}"[:80],
            machine=allocation.machine,
            path=path,
            size_limit_mib=limit,
            node=allocation.node,
            allocation=allocation.name,
            state=VolumeState.IN_USE,
            create_time=now,
            update_time=now,
        )
        self.insert(connection, volume)
        self.tell(connection, VolumeFact.CREATED, volume, now)

    def _attach(  # noqa: PLR0917 - to whom, and how
        self,
        connection: Connection,
        allocation: Allocation,
        path: str,
        name: str,
        limit: int,
        now: datetime,
    ) -> None:
        volume = self.one(connection, name)
        if volume is None or volume.owner != allocation.owner:
            raise VolumeNotFound(name)
        if volume.node != allocation.node:
            raise VolumeElsewhere(volume, allocation.node)
        after = replace(
            volume,
            path=path,
            size_limit_mib=max(volume.size_limit_mib, limit),
            allocation=allocation.name,
            state=VolumeState.IN_USE,
            update_time=now,
        )
        if volume.state is not VolumeState.DETACHED or not self.change(
            connection, after, None, now
        ):
            raise VolumeInUse(name, volume.allocation or "another allocation")

    def end(self, connection: Connection, allocation: Allocation, now: datetime) -> None:
        """Takes the volumes of an allocation that is gone from it: detached, or gone with it.

        One that was never let in has had none: what it named is free again, what it did not is forgotten.
        """
        own = volume_name(allocation.name, 0)[:-1]
        for volume in self.of_allocation(connection, allocation.name):
            free = allocation.keep_volumes
            if not allocation.admitted:
                free = not volume.name.startswith(own)
            if free:
                after = replace(volume, allocation="", state=VolumeState.DETACHED, update_time=now)
                self.change(connection, after, VolumeFact.DETACHED, now)
            else:
                self.forget(connection, volume, VolumeFact.DELETED, now)

    def one(self, connection: Connection, name: str) -> Volume | None:
        """One volume."""
        row = connection.execute(_BY_NAME, {"of_name": name}).mappings().first()
        return None if row is None else volume_of(row)

    def of_allocation(self, connection: Connection, allocation: str) -> list[Volume]:
        """The volumes of an allocation."""
        rows = connection.execute(_OF_ALLOCATION, {"of_allocation": allocation}).mappings()
        return [volume_of(row) for row in rows]

    def insert(self, connection: Connection, volume: Volume) -> None:
        """Writes a new one down."""
        connection.execute(_NEW, row_of(volume))

    def change(
        self, connection: Connection, after: Volume, fact: VolumeFact | None, now: datetime
    ) -> Volume | None:
        """Writes a changed one down, if the kept one has its version."""
        kept = replace(after, version=after.version + 1)
        row = row_of(kept)
        # What is measured is measured by others.
        del row["name"], row["size_bytes"], row["measure_time"]
        key = {"of_name": after.name, "of_version": after.version}
        if connection.execute(_CHANGED, {**row, **key}).rowcount != 1:
            return None
        self.tell(connection, fact, kept, now)
        return kept

    def forget(
        self, connection: Connection, volume: Volume, fact: VolumeFact | None, now: datetime
    ) -> bool:
        """Removes one, if the kept one has its version."""
        key = {"of_name": volume.name, "of_version": volume.version}
        if connection.execute(_GONE, key).rowcount != 1:
            return False
        if fact is not None:
            self.tell(connection, fact, replace(volume, version=volume.version + 1), now)
        return True

    def tell(
        self, connection: Connection, fact: VolumeFact | None, volume: Volume, now: datetime
    ) -> None:
        """Has others told of it, once the transaction is committed."""
        append(connection, OUTBOX, self._records_of(fact, volume), now)


def row_of(volume: Volume) -> dict[str, Any]:
    """A volume as it is kept."""
    return {
        "name": volume.name,
        "uid": volume.uid,
        "owner": volume.owner,
        "display_name": volume.display_name,
        "machine": volume.machine,
        "path": volume.path,
        "size_limit_mib": volume.size_limit_mib,
        "node": volume.node,
        "allocation": volume.allocation,
        "state": volume.state.value,
        "create_time": volume.create_time,
        "update_time": volume.update_time,
        "size_bytes": volume.size_bytes,
        "measure_time": volume.measure_time,
        "version": volume.version,
    }


def volume_of(row: Mapping[Any, Any]) -> Volume:
    """The volume that a row was made of."""
    return Volume(**{**row, "state": VolumeState(row["state"])})
