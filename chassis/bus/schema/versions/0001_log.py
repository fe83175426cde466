"""The log: records, how far each group is, dead letters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.sql.types import Instant, JsonText, RowNumber

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "records",
        sa.Column("position", RowNumber, primary_key=True, autoincrement=True),
        sa.Column("topic", sa.String(200), nullable=False),
        sa.Column("key", sa.String(250), nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("headers", JsonText, nullable=False),
        sa.Column("time", Instant, nullable=False),
        sa.Column("kept", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("records_by_topic", "records", ["topic", "position"])
    op.create_index("records_by_age", "records", ["kept", "time"])
    op.create_index(
        "newest_by_key", "records", ["topic", "key"], unique=True, sqlite_where=sa.text("kept > 0")
    )
    op.create_table(
        "positions",
        sa.Column("consumers", sa.String(200), primary_key=True),
        sa.Column("topic", sa.String(200), primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", RowNumber, primary_key=True, autoincrement=True),
        sa.Column("consumers", sa.String(200), nullable=False),
        sa.Column("topic", sa.String(200), nullable=False),
        sa.Column("key", sa.String(250), nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("headers", JsonText, nullable=False),
        sa.Column("reason", sa.String(100), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("time", Instant, nullable=False),
        sa.Column("replaying", sa.Boolean, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("dead_letters_replaying", "dead_letters", ["replaying", "consumers"])
