"""Deliveries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.sql.types import Instant

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("content", sa.LargeBinary(1000), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease", sa.String(36), nullable=False),
        sa.Column("accept_time", Instant(), nullable=False),
        sa.Column("due_time", Instant(), nullable=True),
    )
    op.create_index("deliveries_by_due_time", "deliveries", ["due_time"])
    op.create_index("deliveries_by_accept_time", "deliveries", ["accept_time"])
