"""Searching, orders, pictures, and what others make of a machine.

What is searched by is filled when the service starts: it finds what was not indexed yet.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.sql.types import Instant

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Makes the columns and the tables."""
    op.add_column(
        "machines", sa.Column("category", sa.String(31), nullable=False, server_default="")
    )
    for name in ("price", "waiting", "rating", "reviews", "rents", "feed_version", "indexed"):
        op.add_column(
            "machines", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
        )
    for name in ("create_time", "price", "rating", "rents"):
        op.create_index(f"machines_by_{name}", "machines", ["state", name, "name"])
    op.create_index("machines_by_publisher", "machines", ["publisher", "name"])
    op.create_table(
        "machine_words",
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("word", sa.String(40), primary_key=True),
        sa.Column("place", sa.BigInteger(), nullable=False),
    )
    op.create_index("machine_words_by_word", "machine_words", ["word", "place", "name"])
    op.create_table(
        "machine_rents",
        sa.Column("uid", sa.String(36), primary_key=True),
        sa.Column("allocation", sa.String(80), primary_key=True),
    )
    op.create_table(
        "machine_pictures",
        sa.Column("uid", sa.String(36), primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("media_type", sa.String(40), nullable=False),
        sa.Column("content", sa.LargeBinary(2**24 - 1), nullable=False),
        sa.Column("time", Instant(), nullable=False),
    )
