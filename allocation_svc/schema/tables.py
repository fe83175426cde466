"""The tables of the allocations' store."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
)

from chassis.bus.outbox import outbox_table
from chassis.sql import Instant, JsonText
from chassis.sql.leases import lease_table
from chassis.sql.once import once_table

METADATA = MetaData()

# Columns are what is searched by or compared; what is only read is in the document.
ALLOCATIONS = Table(
    "allocations",
    METADATA,
    Column("name", String(48), primary_key=True),
    Column("owner", String(80), nullable=False),
    Column("machine", String(80), nullable=False),
    Column("state", String(16), nullable=False),
    Column("desired_state", String(16), nullable=False),
    # 1 until it is DELETED, then 0: history must not slow the lists of what there is.
    Column("live", SmallInteger(), nullable=False),
    Column("version", BigInteger(), nullable=False),
    Column("create_time", Instant(), nullable=False),
    Column("document", JsonText(), nullable=False),
    Column("plan", JsonText(), nullable=False),
    Column("sealed_secrets", LargeBinary(2**24 - 1), nullable=False),
)
Index(
    "allocations_of_owner",
    ALLOCATIONS.c.owner,
    ALLOCATIONS.c.live,
    ALLOCATIONS.c.create_time,
    ALLOCATIONS.c.name,
)
Index("allocations_by_time", ALLOCATIONS.c.live, ALLOCATIONS.c.create_time, ALLOCATIONS.c.name)
Index("allocations_by_name", ALLOCATIONS.c.live, ALLOCATIONS.c.name)
# Of an owner by name, history too: what reports go through.
Index("allocations_of_owner_by_name", ALLOCATIONS.c.owner, ALLOCATIONS.c.name)

# A row while a port is leased, and for its rest afterwards: then without an allocation.
PORT_LEASES = Table(
    "port_leases",
    METADATA,
    Column("node", String(255), primary_key=True),
    Column("protocol", String(8), primary_key=True),
    Column("port", Integer(), primary_key=True, autoincrement=False),
    Column("allocation", String(48), nullable=False),
    Column("free_time", Instant(), nullable=True),
)
Index("port_leases_of_allocation", PORT_LEASES.c.allocation)

# What is held of an owner's quota (`users/…`), of a machine's stock (`machines/…`) and of a node
# (`nodes/…`): a row to lock, so that the last place is given once, and one row to read, however many
# allocations there are. `used` counts the allocations.
TALLIES = Table(
    "tallies",
    METADATA,
    Column("subject", String(120), primary_key=True),
    Column("used", Integer(), nullable=False),
    Column("cpu_millis", BigInteger(), nullable=False, server_default="0"),
    Column("memory_bytes", BigInteger(), nullable=False, server_default="0"),
    Column("disk_bytes", BigInteger(), nullable=False, server_default="0"),
)

# What an admin has set for a person, and the roles that they had when they last asked.
QUOTAS = Table(
    "quotas",
    METADATA,
    Column("owner", String(80), primary_key=True),
    Column("roles", String(255), nullable=False),
    Column("overrides", JsonText(), nullable=False),
    Column("version", BigInteger(), nullable=False),
    Column("update_time", Instant(), nullable=True),
)

RESOURCE_CLASSES = Table(
    "resource_classes",
    METADATA,
    Column("id", String(31), primary_key=True),
    Column("title", String(80), nullable=False),
    Column("cpu_millis", Integer(), nullable=False),
    Column("memory_bytes", BigInteger(), nullable=False),
    Column("pids", Integer(), nullable=False),
    Column("disk_bytes", BigInteger(), nullable=False),
    Column("is_default", SmallInteger(), nullable=False),
    Column("version", BigInteger(), nullable=False),
    Column("create_time", Instant(), nullable=False),
    Column("update_time", Instant(), nullable=False),
)

# Who waits for room, in the order of (turn, number). `claim` is what is taken once there is room.
QUEUE = Table(
    "queue",
    METADATA,
    Column("allocation", String(48), primary_key=True),
    Column("owner", String(80), nullable=False),
    Column("machine", String(80), nullable=False),
    Column("turn", BigInteger(), nullable=False),
    Column("number", BigInteger(), nullable=False),
    Column("waiting_for", String(32), nullable=False),
    Column("claim", JsonText(), nullable=False),
)
Index("queue_in_order", QUEUE.c.turn, QUEUE.c.number)
Index("queue_of_owner", QUEUE.c.owner, QUEUE.c.turn)

# One row: whose turn it is, the number of the one that came last, and how fast it goes.
QUEUE_PACE = Table(
    "queue_pace",
    METADATA,
    Column("id", SmallInteger(), primary_key=True, autoincrement=False),
    Column("turn", BigInteger(), nullable=False),
    Column("number", BigInteger(), nullable=False),
    Column("pause_millis", BigInteger(), nullable=True),
    Column("left_time", Instant(), nullable=True),
)

# The last turn of each person who was admitted from the queue since it was last empty.
QUEUE_TURNS = Table(
    "queue_turns",
    METADATA,
    Column("owner", String(80), primary_key=True),
    Column("turn", BigInteger(), nullable=False),
)

# What each allocation was, interval by interval; one that goes on ends in the year 9999.
USAGE_INTERVALS = Table(
    "usage_intervals",
    METADATA,
    Column("allocation", String(48), primary_key=True),
    Column("number", Integer(), primary_key=True, autoincrement=False),
    Column("machine", String(80), nullable=False),
    Column("kind", String(16), nullable=False),
    # 1 while the owner had asked it to run.
    Column("asked", SmallInteger(), nullable=False),
    Column("start_time", Instant(), nullable=False),
    Column("end_time", Instant(), nullable=False),
)
# With every column that a machine's sums are made of, so that they are read from the index alone.
Index(
    "usage_intervals_of_machine",
    USAGE_INTERVALS.c.machine,
    USAGE_INTERVALS.c.end_time,
    USAGE_INTERVALS.c.start_time,
    USAGE_INTERVALS.c.kind,
    USAGE_INTERVALS.c.asked,
    USAGE_INTERVALS.c.allocation,
)

VOLUMES = Table(
    "volumes",
    METADATA,
    Column("name", String(48), primary_key=True),
    Column("uid", String(36), nullable=False),
    Column("owner", String(80), nullable=False),
    Column("display_name", String(80), nullable=False),
    Column("machine", String(80), nullable=False),
    Column("path", String(255), nullable=False),
    Column("size_limit_mib", Integer(), nullable=False),
    Column("node", String(255), nullable=False),
    # Empty while it is detached.
    Column("allocation", String(48), nullable=False),
    Column("state", String(16), nullable=False),
    Column("create_time", Instant(), nullable=False),
    Column("update_time", Instant(), nullable=False),
    Column("size_bytes", BigInteger(), nullable=False),
    Column("measure_time", Instant(), nullable=True),
    Column("version", BigInteger(), nullable=False),
)
Index("volumes_of_owner", VOLUMES.c.owner, VOLUMES.c.create_time, VOLUMES.c.name)
Index("volumes_by_time", VOLUMES.c.create_time, VOLUMES.c.name)
Index("volumes_of_allocation", VOLUMES.c.allocation)

# How many volumes each person has begun to fill: a row to lock, so that the last room is given once.
SHELVES = Table(
    "shelves",
    METADATA,
    Column("owner", String(80), primary_key=True),
    Column("begun", BigInteger(), nullable=False),
)

# What is known of each host that instances run on.
NODES = Table(
    "nodes",
    METADATA,
    Column("name", String(206), primary_key=True),
    Column("version", Integer(), nullable=False),
    Column("document", JsonText(), nullable=False),
)

ONCE = once_table(METADATA)
OUTBOX = outbox_table(METADATA)
LEASES = lease_table(METADATA)
