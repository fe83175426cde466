"""Nodes: what is known of each host that instances run on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.sql.types import JsonText

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Makes the table."""
    op.create_table(
        "nodes",
        sa.Column("name", sa.String(206), primary_key=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", JsonText(), nullable=False),
    )
