"""Invitations to sign up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.sql.types import Instant

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Adds the tables; nobody is invited yet."""
    op.create_table(
        "invitations",
        sa.Column("id", sa.String(12), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("user_id", sa.String(12), nullable=False),
        sa.Column("title", sa.String(100), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("max_uses", sa.Integer(), nullable=False),
        sa.Column("use_count", sa.Integer(), nullable=False),
        sa.Column("create_time", Instant(), nullable=False),
        sa.Column("expire_time", Instant(), nullable=False),
    )
    op.create_index("invitations_by_time", "invitations", ["create_time", "id"])
    op.create_index("invitations_by_expire_time", "invitations", ["expire_time"])
    op.create_index("invitations_by_user", "invitations", ["user_id"])
    op.create_table(
        "invitation_uses",
        sa.Column("invitation_id", sa.String(12), primary_key=True),
        sa.Column("contact_mark", sa.String(64), primary_key=True),
    )
