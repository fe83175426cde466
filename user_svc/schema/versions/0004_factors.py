"""Personal access tokens, second factors, and the places where people have logged in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.sql.types import Instant, JsonText

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Adds columns and tables; nobody has any of it yet."""
    op.add_column("signing_keys", sa.Column("needed_until", Instant(), nullable=True))
    op.add_column(
        "revocations",
        sa.Column("access_token_name", sa.String(80), nullable=False, server_default=""),
    )
    op.create_table(
        "access_tokens",
        sa.Column("id", sa.String(12), primary_key=True),
        sa.Column("user_id", sa.String(12), nullable=False),
        sa.Column("title", sa.String(100), nullable=False),
        sa.Column("scopes", JsonText(), nullable=False),
        sa.Column("create_time", Instant(), nullable=False),
        sa.Column("expire_time", Instant(), nullable=False),
        sa.Column("last_use_time", Instant(), nullable=True),
    )
    op.create_index("access_tokens_by_user", "access_tokens", ["user_id", "create_time", "id"])
    op.create_index("access_tokens_by_expire_time", "access_tokens", ["expire_time"])
    op.create_table(
        "totps",
        sa.Column("user_id", sa.String(12), primary_key=True),
        sa.Column("secret", sa.LargeBinary(200), nullable=False),
        sa.Column("create_time", Instant(), nullable=False),
        sa.Column("confirm_time", Instant(), nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.String(12), primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
    )
    op.create_table(
        "known_places",
        sa.Column("user_id", sa.String(12), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("place", sa.String(100), primary_key=True),
        sa.Column("last_time", Instant(), nullable=False),
    )
    op.create_index("known_places_by_last_time", "known_places", ["last_time"])
