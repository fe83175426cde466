"""The tables of the feed's store."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

from chassis.bus.outbox import outbox_table
from chassis.sql import Instant
from chassis.sql.leases import lease_table
from chassis.sql.once import once_table

METADATA = MetaData()

# One row for each machine: its version is what every change is made from.
FEEDS = Table(
    "feeds",
    METADATA,
    Column("machine", String(80), primary_key=True),
    Column("version", BigInteger(), nullable=False),
    Column("epoch", Integer(), nullable=False),
    Column("likes", Integer(), nullable=False),
    Column("dislikes", Integer(), nullable=False),
    Column("comments", Integer(), nullable=False),
    Column("stars1", Integer(), nullable=False),
    Column("stars2", Integer(), nullable=False),
    Column("stars3", Integer(), nullable=False),
    Column("stars4", Integer(), nullable=False),
    Column("stars5", Integer(), nullable=False),
    Column("threads_made", Integer(), nullable=False),
    Column("reviews_made", Integer(), nullable=False),
    Column("end_time", Instant(), nullable=True),
)

COMMENTS = Table(
    "comments",
    METADATA,
    Column("machine", String(80), primary_key=True),
    Column("epoch", Integer(), primary_key=True, autoincrement=False),
    Column("thread", Integer(), primary_key=True, autoincrement=False),
    Column("reply", Integer(), primary_key=True, autoincrement=False),
    Column("uid", String(36), nullable=False),
    Column("author", String(80), nullable=False),
    Column("text", Text(2**16 - 1), nullable=False),
    Column("line_allocation", String(80), nullable=False),
    Column("line_cursor", BigInteger(), nullable=False),
    Column("replies", Integer(), nullable=False),
    Column("replies_made", Integer(), nullable=False),
    Column("deleted", Boolean(), nullable=False),
    Column("version", Integer(), nullable=False),
    Column("create_time", Instant(), nullable=False),
    Column("update_time", Instant(), nullable=False),
)
Index("comments_by_page", COMMENTS.c.machine, COMMENTS.c.epoch, COMMENTS.c.reply, COMMENTS.c.thread)
Index("comments_by_author", COMMENTS.c.author, COMMENTS.c.machine)

REVIEWS = Table(
    "reviews",
    METADATA,
    Column("machine", String(80), primary_key=True),
    Column("epoch", Integer(), primary_key=True, autoincrement=False),
    Column("number", Integer(), primary_key=True, autoincrement=False),
    Column("uid", String(36), nullable=False),
    Column("author", String(80), nullable=False),
    Column("stars", Integer(), nullable=False),
    Column("text", Text(2**16 - 1), nullable=False),
    Column("version", Integer(), nullable=False),
    Column("create_time", Instant(), nullable=False),
    Column("update_time", Instant(), nullable=False),
)
Index("reviews_by_author", REVIEWS.c.author, REVIEWS.c.machine)

VOTES = Table(
    "votes",
    METADATA,
    Column("machine", String(80), primary_key=True),
    Column("epoch", Integer(), primary_key=True, autoincrement=False),
    Column("person", String(80), primary_key=True),
    Column("direction", String(10), nullable=False),
    Column("update_time", Instant(), nullable=False),
)
Index("votes_by_person", VOTES.c.person, VOTES.c.machine)

AUTHORS = Table(
    "authors",
    METADATA,
    Column("name", String(80), primary_key=True),
    Column("shown", String(300), nullable=False),
    Column("version", BigInteger(), nullable=False),
    Column("gone", Boolean(), nullable=False),
)

ONCE = once_table(METADATA)
OUTBOX = outbox_table(METADATA)
LEASES = lease_table(METADATA)
