"""The tables of the directory."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, MetaData, String, Table

from chassis.sql import Instant

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
