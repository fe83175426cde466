"""Since when an instance runs, as the engine counts its own restarts, and whether it answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds the columns; what is there ran in a session that nobody knows, and answers."""
    op.add_column(
        "instances", sa.Column("session", sa.String(128), nullable=False, server_default="")
    )
    for name in ("with_host", "unanswered"):
        op.add_column(
            "instances", sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())
        )
