"""What was asked for, one row for each allocation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "instances",
        sa.Column("allocation", sa.String(64), primary_key=True),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("wanted", sa.String(16), nullable=False),
        sa.Column("sealed_spec", sa.LargeBinary, nullable=True),
        sa.Column("incarnation", sa.Integer, nullable=False),
        sa.Column("run", sa.String(128), nullable=False),
        sa.Column("ready", sa.Boolean, nullable=False),
        sa.Column("stop_requested", sa.Boolean, nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
    )
    op.create_index("ix_instances_wanted", "instances", ["wanted"])
