"""The tables of the machines' store."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, String, Table, Text

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
    Column("category", String(31), nullable=False, server_default=""),
    Column("price", BigInteger(), nullable=False, server_default="0"),
    Column("waiting", BigInteger(), nullable=False, server_default="0"),
    # What others make of it, which no change of the machine touches.
    Column("rating", BigInteger(), nullable=False, server_default="0"),
    Column("reviews", BigInteger(), nullable=False, server_default="0"),
    Column("rents", BigInteger(), nullable=False, server_default="0"),
    Column("feed_version", BigInteger(), nullable=False, server_default="0"),
    # By which way of finding words it was indexed; see `machines_svc.domain.searching`.
    Column("indexed", BigInteger(), nullable=False, server_default="0"),
)
Index("machines_by_title", MACHINES.c.state, MACHINES.c.title_folded, MACHINES.c.name)
for _field in ("create_time", "price", "rating", "rents"):
    Index(f"machines_by_{_field}", MACHINES.c.state, MACHINES.c[_field], MACHINES.c.name)
Index("machines_by_publisher", MACHINES.c.publisher, MACHINES.c.name)

# Made anew from the documents whenever it is not there: no archive has it.
WORDS = Table(
    "machine_words",
    METADATA,
    Column("name", String(80), primary_key=True),
    Column("word", String(40), primary_key=True),
    Column("place", BigInteger(), nullable=False),
)
Index("machine_words_by_word", WORDS.c.word, WORDS.c.place, WORDS.c.name)

RENTS = Table(
    "machine_rents",
    METADATA,
    Column("uid", String(36), primary_key=True),
    Column("allocation", String(80), primary_key=True),
)

PICTURES = Table(
    "machine_pictures",
    METADATA,
    Column("uid", String(36), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("media_type", String(40), nullable=False),
    Column("content", LargeBinary(2**24 - 1), nullable=False),
    Column("time", Instant(), nullable=False),
)

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
