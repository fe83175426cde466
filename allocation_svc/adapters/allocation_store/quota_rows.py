"""What people may have, within somebody else's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from allocation_svc.domain.capacity import Bounds
from allocation_svc.domain.quota import Overrides
from allocation_svc.domain.room import Room
from allocation_svc.schema.tables import QUOTAS
from chassis.sql import Prepared, upsert

_Q = QUOTAS.c
_ONE = Prepared(
    select(_Q.roles, _Q.overrides, _Q.version, _Q.update_time).where(
        _Q.owner == bindparam("of_owner")
    )
)
_ROLES = upsert(QUOTAS, None, ["owner"], ["roles"])
_SET = (
    update(QUOTAS)
    .where(_Q.owner == bindparam("of_owner"), _Q.version == bindparam("of_version"))
    .values(
        overrides=bindparam("to_overrides"),
        version=_Q.version + 1,
        update_time=bindparam("to_time"),
    )
)
_NONE = {"overrides": {}, "version": 0, "update_time": None}


def bounds_of(connection: Connection, owner: str, room: Room) -> Bounds:
    """What an owner may have; remembers the roles with which they ask."""
    row = _ONE.first(connection, {"of_owner": owner})
    known = "" if row is None else row[0]
    if room.roles is not None and (asked := ",".join(sorted(room.roles))) != known:
        connection.execute(_ROLES, {"owner": owner, "roles": asked, **_NONE})
        known = asked
    of_role = room.quotas.of([role for role in known.split(",") if role])
    return of_role if row is None else Overrides(row[1]).over(of_role)


def overrides_of(connection: Connection, owner: str) -> tuple[Overrides, frozenset[str]]:
    """What an admin has set for an owner, and the roles that they had when they last asked."""
    row = _ONE.first(connection, {"of_owner": owner})
    if row is None:
        return Overrides(), frozenset()
    roles, overrides, version, time = row
    return Overrides(overrides, version, time), frozenset(role for role in roles.split(",") if role)


def override(
    connection: Connection, owner: str, overrides: Mapping[str, int], version: int, now: datetime
) -> bool:
    """Sets what an owner may have, where the version is still the given one; 0 for none yet.

    Returns:
        Whether it was set.
    """
    if _ONE.first(connection, {"of_owner": owner}) is None:
        connection.execute(_ROLES, {"owner": owner, "roles": "", **_NONE})
    change: dict[str, Any] = {
        "of_owner": owner,
        "of_version": version,
        "to_overrides": dict(overrides),
        "to_time": now,
    }
    return connection.execute(_SET, change).rowcount == 1


def forget(connection: Connection, owner: str) -> None:
    """Removes what was set for somebody who has gone."""
    connection.execute(delete(QUOTAS).where(_Q.owner == owner))
