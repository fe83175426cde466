"""The tables of the machines' store."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, MetaData, String, Table, Text

from chassis.bus.outbox import outbox_table
from chassis.sql import Instant, JsonText
from chassis.sql.leases import lease_table
from chassis.sql.once import once_table

METADATA = MetaData()

# Beside the document only what is searched by: the rows are documents that happen to be in SQL.
MACHINES = Table(
    "machines",
    METADATA,
    Column("name", String(80), primary_key=True),
    Column("uid", String(36), nullable=False),
    Column("version", BigInteger(), nullable=False),
    Column("state", String(16), nullable=False),
    Column("title_folded", String(320), nullable=False),
    Column("image_folded", String(512), nullable=False),
    Column("image", String(255), nullable=False),
    Column("resource_class", String(31), nullable=False),
    Column("publisher", String(80), nullable=False),
    Column("create_time", Instant(), nullable=False),
    Column("update_time", Instant(), nullable=False),
    Column("document", JsonText(), nullable=False),
)
Index("machines_by_title", MACHINES.c.state, MACHINES.c.title_folded, MACHINES.c.name)

VERSIONS = Table(
    "machine_versions",
    METADATA,
    Column("uid", String(36), primary_key=True),
    Column("version", BigInteger(), primary_key=True, autoincrement=False),
    Column("document", JsonText(), nullable=False),
)

MARKS = Table(
    "marks",
    METADATA,
    Column("name", String(40), primary_key=True),
    Column("note", Text(), nullable=False),
    Column("time", Instant(), nullable=False),
)

ONCE = once_table(METADATA)
OUTBOX = outbox_table(METADATA)
LEASES = lease_table(METADATA)
