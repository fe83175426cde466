"""The tables of the broker."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from chassis.bus.outbox import outbox_table
from chassis.sql import Instant
from chassis.sql.leases import lease_table

METADATA = MetaData()

# The directories: one that is read, and during a rebuild one that is being filled.
DIRECTORIES = Table(
    "directories",
    METADATA,
    Column("number", BigInteger(), primary_key=True, autoincrement=False),
    Column("is_read", Boolean(), nullable=False),
)

# Without a message, an entry says that its name has ended, at its create_time.
ENTRIES = Table(
    "entries",
    METADATA,
    Column("directory", BigInteger(), primary_key=True, autoincrement=False),
    Column("kind", String(20), primary_key=True),
    Column("name", String(100), primary_key=True),
    Column("version", BigInteger(), nullable=False),
    Column("create_time", Instant(), nullable=False),
    Column("message", LargeBinary(2**24 - 1), nullable=True),
    Column("owner", String(100), nullable=False),
    Column("machine", String(100), nullable=False),
    Column("write_time", Instant(), nullable=False),
)
Index("entries_by_owner", ENTRIES.c.directory, ENTRIES.c.owner, ENTRIES.c.name)
Index("entries_by_machine", ENTRIES.c.directory, ENTRIES.c.machine, ENTRIES.c.name)

# The timelines of all allocations; `place` orders those of one.
EVENTS = Table(
    "events",
    METADATA,
    Column("allocation", String(100), primary_key=True),
    Column("place", String(120), primary_key=True),
    Column("id", String(64), nullable=False),
    Column("time", Instant(), nullable=False),
    Column("version", BigInteger(), nullable=False),
    Column("type", String(200), nullable=False),
    Column("source", String(100), nullable=False),
    Column("words", Text(), nullable=False),
    Column("actor", String(100), nullable=False),
    Column("method", String(250), nullable=False),
    Column("trace", String(64), nullable=False),
    Column("phase", String(20), nullable=False),
)
Index("events_by_time", EVENTS.c.time)
Index("events_by_actor", EVENTS.c.actor)

# What admins did.
ACTS = Table(
    "acts",
    METADATA,
    Column("place", String(120), primary_key=True),
    Column("id", String(64), nullable=False),
    Column("time", Instant(), nullable=False),
    Column("version", BigInteger(), nullable=False),
    Column("actor", String(100), nullable=False),
    Column("method", String(250), nullable=False),
    Column("resource", String(250), nullable=False),
    Column("type", String(200), nullable=False),
    Column("source", String(100), nullable=False),
    Column("words", Text(), nullable=False),
    Column("trace", String(64), nullable=False),
)
Index("acts_by_actor", ACTS.c.actor, ACTS.c.place)
Index("acts_by_resource", ACTS.c.resource)

# People who have gone; kept for ever, so that what arrives late brings nobody back.
LEAVERS = Table(
    "leavers",
    METADATA,
    Column("person", String(100), primary_key=True),
    Column("time", Instant(), nullable=False),
    Column("fact", String(100), nullable=False),
)
Index("leavers_by_time", LEAVERS.c.time)

# Of which dead letters everybody was told.
NOTICES = Table(
    "notices",
    METADATA,
    Column("name", String(100), primary_key=True),
    Column("fact", String(100), nullable=False),
    Column("time", Instant(), nullable=False),
)
Index("notices_by_time", NOTICES.c.time)

OUTBOX = outbox_table(METADATA)
LEASES = lease_table(METADATA)
