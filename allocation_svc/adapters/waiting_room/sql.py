"""The queue for room in a SQL database: that of the allocations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, func, or_, select

from allocation_svc.adapters.allocation_store import queue_rows, quota_rows, tallies
from allocation_svc.domain.faults import OthersWait, StockExhausted
from allocation_svc.domain.queue_place import QueuePlace
from allocation_svc.ports.waiting_room import Standing, Waiting
from allocation_svc.schema.tables import PORT_LEASES
from chassis.clock import Clock
from chassis.sql import Database

_LEASED = (
    select(PORT_LEASES.c.protocol, func.count())
    .where(
        PORT_LEASES.c.node == bindparam("of_node"),
        or_(PORT_LEASES.c.allocation != "", PORT_LEASES.c.free_time > bindparam("now")),
    )
    .group_by(PORT_LEASES.c.protocol)
)


class SqlWaitingRoom:
    """Reads and orders the queue in the database of the allocations."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Works on an open database."""
        self._database = database
        self._clock = clock

    async def waiting(self) -> Sequence[Waiting]:
        """All that wait, the next one first."""
        return await self._database.read(
            lambda connection: [
                Waiting(row.allocation, row.machine, row.waiting_for)
                for row in queue_rows.in_order(connection)
            ]
        )

    async def places(self) -> Mapping[str, QueuePlace]:
        """Where each stands that waits."""
        now = self._clock.now()
        return await self._database.read(lambda conn: queue_rows.places(conn, now))

    async def place(self, allocation: str) -> QueuePlace | None:
        """Where one stands."""
        now = self._clock.now()
        return await self._database.get(lambda conn: queue_rows.place_of(conn, allocation, now))

    async def prioritize(self, allocation: str, position: int) -> bool:
        """Moves one to a position."""
        return await self._database.write(
            lambda conn: queue_rows.prioritize(conn, allocation, position)
        )

    async def waits_for(self, allocation: str, reason: str) -> None:
        """Remembers why there is no room for one."""
        await self._database.write(lambda conn: queue_rows.waits_for(conn, allocation, reason))

    async def standing(self, owner: str, machine: str, node: str) -> Standing:
        """What is held now."""
        now = self._clock.now()

        def work(connection: Connection) -> Standing:
            overrides, roles = quota_rows.overrides_of(connection, owner)
            leased = connection.execute(_LEASED, {"of_node": node, "now": now}).all()
            return Standing(
                of_owner=tallies.used(connection, owner),
                of_machine=tallies.used(connection, machine),
                of_node=tallies.used(connection, tallies.node_subject(node)),
                ports={row[0]: row[1] for row in leased},
                roles=roles,
                overrides=overrides,
                others_wait=_others_wait(connection, machine),
                next_place=queue_rows.place_of_next(connection, owner, now),
            )

        return await self._database.read(work)


def _others_wait(connection: Connection, machine: str) -> bool:
    try:
        queue_rows.refuse_to_overtake(connection, machine, 1)
    except (OthersWait, StockExhausted):
        return True
    return False
