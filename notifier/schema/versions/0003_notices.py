"""Deliveries over every channel."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.sql.types import Instant

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds what deliveries say of themselves beside an address."""
    for column in (
        sa.Column("channel", sa.String(16), nullable=False, server_default="EMAIL"),
        sa.Column("kind", sa.String(64), nullable=False, server_default=""),
        sa.Column("user_name", sa.String(80), nullable=False, server_default=""),
        sa.Column("fact_id", sa.String(100), nullable=True),
        sa.Column("expire_time", Instant(), nullable=True),
        sa.Column("message", sa.LargeBinary(2**24 - 1), nullable=True),
    ):
        op.add_column("deliveries", column)
    op.create_index("deliveries_by_channel", "deliveries", ["channel", "due_time"])
    op.create_index("deliveries_by_user", "deliveries", ["user_name"])
    op.create_index(
        "deliveries_by_fact", "deliveries", ["fact_id", "channel", "email"], unique=True
    )
