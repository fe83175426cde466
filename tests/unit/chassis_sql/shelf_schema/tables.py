"""The tables of the books, as an adapter would know them."""

from __future__ import annotations

import sqlalchemy as sa

from chassis.sql import Instant, JsonText
from chassis.sql.once import once_table

METADATA = sa.MetaData()
SHELVES = sa.Table("shelves", METADATA, sa.Column("name", sa.String(80), primary_key=True))
BOOKS = sa.Table(
    "books",
    METADATA,
    sa.Column("name", sa.String(80), primary_key=True),
    sa.Column("version", sa.BigInteger(), nullable=False),
    sa.Column("time", Instant(), nullable=False),
    sa.Column("document", JsonText()),
    sa.Column("shelf", sa.String(80), sa.ForeignKey("shelves.name", name="books_on_shelves")),
    sa.Index("books_by_time", "time"),
)
ONCE = once_table(METADATA)
