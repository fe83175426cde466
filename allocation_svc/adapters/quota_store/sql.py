"""Quotas in a SQL database: that of the allocations."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from allocation_svc.adapters.allocation_store import quota_rows, tallies
from allocation_svc.domain.capacity import Amounts
from allocation_svc.domain.quota import Overrides
from chassis.clock import Clock
from chassis.sql import Database


class SqlQuotaStore:
    """Keeps quotas in the database of the allocations."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Works on an open database."""
        self._database = database
        self._clock = clock

    async def find(self, owner: str) -> tuple[Overrides, frozenset[str], Amounts]:
        """What is set for a person, their roles of the last time, and what they have."""

        def work(connection: Connection) -> tuple[Overrides, frozenset[str], Amounts]:
            overrides, roles = quota_rows.overrides_of(connection, owner)
            return overrides, roles, tallies.used(connection, owner)

        return await self._database.read(work)

    async def override(self, owner: str, amounts: Mapping[str, int], version: int) -> bool:
        """Sets what a person may have."""
        now = self._clock.now()
        return await self._database.write(
            lambda conn: quota_rows.override(conn, owner, amounts, version, now)
        )

    async def forget(self, owner: str) -> None:
        """Removes what is set for somebody."""
        await self._database.write(lambda conn: quota_rows.forget(conn, owner))
