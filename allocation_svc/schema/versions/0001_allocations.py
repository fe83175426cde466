"""Allocations, port leases, tallies, answered requests, and what is waiting to be published."""

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
        "allocations",
        sa.Column("name", sa.String(48), primary_key=True),
        sa.Column("owner", sa.String(80), nullable=False),
        sa.Column("machine", sa.String(80), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("desired_state", sa.String(16), nullable=False),
        sa.Column("live", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", Instant(), nullable=False),
        sa.Column("document", JsonText(), nullable=False),
        sa.Column("plan", JsonText(), nullable=False),
        sa.Column("sealed_secrets", sa.LargeBinary(2**24 - 1), nullable=False),
    )
    op.create_index("allocations_of_owner", "allocations", ["owner", "live", "create_time", "name"])
    op.create_index("allocations_by_time", "allocations", ["live", "create_time", "name"])
    op.create_index("allocations_by_name", "allocations", ["live", "name"])
    op.create_table(
        "port_leases",
        sa.Column("node", sa.String(255), primary_key=True),
        sa.Column("protocol", sa.String(8), primary_key=True),
        sa.Column("port", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("allocation", sa.String(48), nullable=False),
        sa.Column("free_time", Instant(), nullable=True),
    )
    op.create_index("port_leases_of_allocation", "port_leases", ["allocation"])
    op.create_table(
        "tallies",
        sa.Column("subject", sa.String(120), primary_key=True),
        sa.Column("used", sa.Integer(), nullable=False),
    )
    once_table(sa.MetaData()).create(op.get_bind(), checkfirst=False)
    outbox_table(sa.MetaData()).create(op.get_bind(), checkfirst=False)
