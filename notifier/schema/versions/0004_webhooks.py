"""Webhooks, and what became of the attempts to deliver."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.sql.once import once_table
from chassis.sql.types import Instant, JsonText

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Makes the tables, and adds what a delivery says of its last attempt."""
    for column in (
        sa.Column("response_code", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("error", sa.String(300), nullable=False, server_default=""),
        sa.Column("attempt_time", Instant(), nullable=True),
    ):
        op.add_column("deliveries", column)
    op.create_index(
        "deliveries_by_destination", "deliveries", ["channel", "email", "accept_time", "id"]
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("uid", sa.String(36), nullable=False),
        sa.Column("owner", sa.String(80), nullable=False),
        sa.Column("title", sa.String(80), nullable=False),
        sa.Column("url", sa.String(2000), nullable=False),
        sa.Column("kinds", JsonText(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("secret", sa.LargeBinary(1000), nullable=False),
        sa.Column("former_secret", sa.LargeBinary(1000), nullable=True),
        sa.Column("former_until", Instant(), nullable=True),
        sa.Column("failing_since", Instant(), nullable=True),
        sa.Column("create_time", Instant(), nullable=False),
        sa.Column("update_time", Instant(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
    )
    op.create_index("webhooks_of_owner", "webhooks", ["owner", "create_time", "id"])
    op.create_index("webhooks_by_time", "webhooks", ["create_time", "id"])
    once_table(sa.MetaData()).create(op.get_bind(), checkfirst=False)
