"""Machines, their former versions, and what is waiting to be published."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.bus.outbox import outbox_table
from chassis.sql.once import once_table
from chassis.sql.types import Instant, JsonText

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "machines",
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("uid", sa.String(36), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("title_folded", sa.String(320), nullable=False),
        sa.Column("image_folded", sa.String(512), nullable=False),
        sa.Column("image", sa.String(255), nullable=False),
        sa.Column("resource_class", sa.String(31), nullable=False),
        sa.Column("publisher", sa.String(80), nullable=False),
        sa.Column("create_time", Instant(), nullable=False),
        sa.Column("update_time", Instant(), nullable=False),
        sa.Column("document", JsonText(), nullable=False),
    )
    op.create_index("machines_by_title", "machines", ["state", "title_folded", "name"])
    op.create_table(
        "machine_versions",
        sa.Column("uid", sa.String(36), primary_key=True),
        sa.Column("version", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("document", JsonText(), nullable=False),
    )
    op.create_table(
        "marks",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("time", Instant(), nullable=False),
    )
    once_table(sa.MetaData()).create(op.get_bind(), checkfirst=False)
    outbox_table(sa.MetaData()).create(op.get_bind(), checkfirst=False)
