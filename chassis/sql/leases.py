"""Leases in a SQL database."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    String,
    Table,
    bindparam,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from chassis.leading import Leadership, Lease, LeaseLost
from chassis.sql.database import Database


def lease_table(metadata: MetaData, name: str = "leases") -> Table:
    """The table of leases, for the service's metadata and its migration."""
    return Table(
        name,
        metadata,
        Column("name", String(100), primary_key=True),
        Column("holder", String(200), nullable=False),
        Column("address", String(200), nullable=False),
        Column("epoch", BigInteger, nullable=False),
        Column("beat", BigInteger, nullable=False),
    )


class SqlLeases:
    """Keeps leases beside what they protect; see `chassis.leading.Leases`."""

    def __init__(self, database: Database, table: Table) -> None:
        """Works on an open database.

        Args:
            database: of the service.
            table: from `lease_table`.
        """
        self._database = database
        self._table = table
        column = table.c
        self._read = select(table).where(column.name == bindparam("of_name"))
        self._epoch = (
            select(column.epoch)
            .where(column.name == bindparam("of_name"))
            .with_for_update(read=True)
        )
        self._if_as_seen = (
            update(table)
            .where(column.name == bindparam("of_name"))
            .where(column.epoch == bindparam("of_epoch"), column.beat == bindparam("of_beat"))
        )
        self._if_held = (
            update(table)
            .where(column.name == bindparam("of_name"))
            .where(column.epoch == bindparam("of_epoch"), column.holder == bindparam("of_holder"))
        )

    async def read(self, name: str) -> Lease | None:
        """The lease of a name."""
        return await self._database.read(partial(self._find, name=name))

    async def claim(self, name: str, seen: Lease | None, holder: str, address: str) -> Lease | None:
        """Takes a lease, if it still is what was seen."""
        claimed = Lease(holder, address, (seen.epoch if seen else 0) + 1, 0)
        row = {"holder": holder, "address": address, "epoch": claimed.epoch, "beat": claimed.beat}

        def work(connection: Connection) -> Lease | None:
            if seen is None:
                connection.execute(insert(self._table), {"name": name, **row})
                return claimed
            as_seen = {"of_name": name, "of_epoch": seen.epoch, "of_beat": seen.beat}
            done = connection.execute(self._if_as_seen, {**as_seen, **row})
            return claimed if done.rowcount == 1 else None

        try:
            return await self._database.write(work)
        except IntegrityError:
            return None

    async def renew(self, name: str, lease: Lease) -> Lease | None:
        """Raises the beat of a lease that is held."""
        renewed = Lease(lease.holder, lease.address, lease.epoch, lease.beat + 1)
        held = {"of_name": name, "of_epoch": lease.epoch, "of_holder": lease.holder}
        done = await self._database.write(
            lambda connection: (
                connection.execute(self._if_held, {**held, "beat": renewed.beat}).rowcount
            )
        )
        return renewed if done == 1 else None

    async def release(self, name: str, lease: Lease) -> None:
        """Gives a lease back."""
        held = {"of_name": name, "of_epoch": lease.epoch, "of_holder": lease.holder}
        # The beat changes too, so that nobody who saw it before takes it for what they saw.
        freed = {"holder": "", "address": "", "beat": lease.beat + 1}
        await self._database.write(
            lambda connection: connection.execute(self._if_held, {**held, **freed})
        )

    def fence_for(self, leadership: Leadership) -> Callable[[Connection], None]:
        """What a transaction calls that only the replica which leads may commit."""
        return lambda connection: self.fence(connection, leadership.service, leadership.epoch)

    def fence(self, connection: Connection, name: str, epoch: int) -> None:
        """Keeps a transaction from being committed by a replica that no longer leads.

        The lease cannot change hands before the transaction has ended.

        Args:
            connection: in the transaction.
            name: of the lease.
            epoch: of the lease that the replica holds.

        Raises:
            LeaseLost: somebody else has taken it.
        """
        if connection.execute(self._epoch, {"of_name": name}).scalar() != epoch:
            raise LeaseLost("Another replica leads now.")

    def _find(self, connection: Connection, name: str) -> Lease | None:
        row = connection.execute(self._read, {"of_name": name}).first()
        return None if row is None else Lease(row.holder, row.address, row.epoch, row.beat)
