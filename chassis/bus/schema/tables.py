"""The tables of the log in SQLite."""

from __future__ import annotations

from enum import IntEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

from chassis.sql.types import Instant, JsonText, RowNumber


class Kept(IntEnum):
    """What a record is, and so how long it is kept."""

    FOR_A_TIME = 0
    UNTIL_REPLACED = 1
    AS_TOMBSTONE = 2


METADATA = MetaData()

RECORDS = Table(
    "records",
    METADATA,
    Column("position", RowNumber, primary_key=True, autoincrement=True),
    Column("topic", String(200), nullable=False),
    Column("key", String(250), nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("headers", JsonText, nullable=False),
    Column("time", Instant, nullable=False),
    Column("kept", Integer, nullable=False),
    # Without it, SQLite would give the position of the last record again once that is swept, and a
    # group that had it would never see the new one.
    sqlite_autoincrement=True,
)
Index("records_by_topic", RECORDS.c.topic, RECORDS.c.position)
Index("records_by_age", RECORDS.c.kept, RECORDS.c.time)
Index("newest_by_key", RECORDS.c.topic, RECORDS.c.key, unique=True, sqlite_where=text("kept > 0"))

POSITIONS = Table(
    "positions",
    METADATA,
    Column("consumers", String(200), primary_key=True),
    Column("topic", String(200), primary_key=True),
    Column("position", BigInteger, nullable=False),
)

DEAD_LETTERS = Table(
    "dead_letters",
    METADATA,
    Column("id", RowNumber, primary_key=True, autoincrement=True),
    Column("consumers", String(200), nullable=False),
    Column("topic", String(200), nullable=False),
    Column("key", String(250), nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("headers", JsonText, nullable=False),
    Column("reason", String(100), nullable=False),
    Column("message", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("time", Instant, nullable=False),
    Column("replaying", Boolean, nullable=False),
    sqlite_autoincrement=True,
)
Index("dead_letters_replaying", DEAD_LETTERS.c.replaying, DEAD_LETTERS.c.consumers)
