"""The tables of notifier."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, String, Table

from chassis.sql.leases import lease_table
from chassis.sql.types import Instant

METADATA = MetaData()

DELIVERIES = Table(
    "deliveries",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("email", String(254), nullable=False),
    # Sealed JSON; NULL once the delivery has ended.
    Column("content", LargeBinary(1000), nullable=True),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer(), nullable=False),
    Column("lease", String(36), nullable=False),
    Column("accept_time", Instant(), nullable=False),
    # NULL once the delivery has ended, so that what waits is found by one index.
    Column("due_time", Instant(), nullable=True),
    Index("deliveries_by_due_time", "due_time"),
    Index("deliveries_by_accept_time", "accept_time"),
)

LEASES = lease_table(METADATA)
