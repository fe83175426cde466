"""Timelines, what admins did, who has gone, what was told of dead letters, an outbox and leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.bus.outbox import outbox_table
from chassis.sql.leases import lease_table
from chassis.sql.types import Instant

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "events",
        sa.Column("allocation", sa.String(100), primary_key=True),
        sa.Column("place", sa.String(120), primary_key=True),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("time", Instant(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(200), nullable=False),
        sa.Column("source", sa.String(100), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("method", sa.String(250), nullable=False),
        sa.Column("trace", sa.String(64), nullable=False),
        sa.Column("phase", sa.String(20), nullable=False),
    )
    op.create_index("events_by_time", "events", ["time"])
    op.create_index("events_by_actor", "events", ["actor"])
    op.create_table(
        "acts",
        sa.Column("place", sa.String(120), primary_key=True),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("time", Instant(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("method", sa.String(250), nullable=False),
        sa.Column("resource", sa.String(250), nullable=False),
        sa.Column("type", sa.String(200), nullable=False),
        sa.Column("source", sa.String(100), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("trace", sa.String(64), nullable=False),
    )
    op.create_index("acts_by_actor", "acts", ["actor", "place"])
    op.create_index("acts_by_resource", "acts", ["resource"])
    op.create_table(
        "leavers",
        sa.Column("person", sa.String(100), primary_key=True),
        sa.Column("time", Instant(), nullable=False),
        sa.Column("fact", sa.String(100), nullable=False),
    )
    op.create_index("leavers_by_time", "leavers", ["time"])
    op.create_table(
        "notices",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("fact", sa.String(100), nullable=False),
        sa.Column("time", Instant(), nullable=False),
    )
    op.create_index("notices_by_time", "notices", ["time"])
    outbox_table(sa.MetaData()).create(op.get_bind(), checkfirst=False)
    lease_table(sa.MetaData()).create(op.get_bind(), checkfirst=False)
