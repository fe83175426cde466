"""Accounts, codes, letters, sessions, keys, revocations, and what is waiting to be published."""

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
    _make_accounts()
    _make_sessions()
    _make_trust()
    outbox_table(sa.MetaData()).create(op.get_bind(), checkfirst=False)
    once_table(sa.MetaData()).create(op.get_bind(), checkfirst=False)


def _make_accounts() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.String(12), primary_key=True),
        sa.Column("uid", sa.String(36), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("email_key", sa.String(320), nullable=False, unique=True),
        sa.Column("phone_number", sa.String(20), nullable=True, unique=True),
        sa.Column("given_name", sa.String(100), nullable=False),
        sa.Column("family_name", sa.String(100), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("roles", JsonText(), nullable=False),
        sa.Column("is_active_admin", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", Instant(), nullable=False),
        sa.Column("update_time", Instant(), nullable=False),
    )
    op.create_index("users_by_time", "users", ["create_time", "id"])
    op.create_index("users_by_admin", "users", ["is_active_admin"])
    op.create_table(
        "codes",
        sa.Column("user_id", sa.String(12), primary_key=True),
        sa.Column("salt", sa.LargeBinary(16), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("send_time", Instant(), nullable=False),
        sa.Column("expire_time", Instant(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
    )
    op.create_table(
        "letters",
        sa.Column("delivery_id", sa.String(36), primary_key=True),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("digits", sa.LargeBinary(100), nullable=False),
        sa.Column("expire_time", Instant(), nullable=False),
        sa.Column("due_time", Instant(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
    )
    op.create_index("letters_by_due_time", "letters", ["due_time"])


def _make_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(12), primary_key=True),
        sa.Column("user_id", sa.String(12), nullable=False),
        sa.Column("family_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("turn_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("last_turn_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("rotation_key", sa.LargeBinary(100), nullable=False),
        sa.Column("create_time", Instant(), nullable=False),
        sa.Column("refresh_time", Instant(), nullable=False),
        sa.Column("expire_time", Instant(), nullable=False),
        sa.Column("end_time", Instant(), nullable=True),
        sa.Column("user_agent", sa.String(200), nullable=False),
        sa.Column("address", sa.String(100), nullable=False),
    )
    op.create_index("sessions_by_user", "sessions", ["user_id", "create_time", "id"])
    op.create_index("sessions_by_expire_time", "sessions", ["expire_time"])
    op.create_index("sessions_by_end_time", "sessions", ["end_time"])


def _make_trust() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("follows", sa.String(32), nullable=False, unique=True),
        sa.Column("public_key", sa.LargeBinary(32), nullable=False),
        sa.Column("private_key", sa.LargeBinary(100), nullable=False),
        sa.Column("create_time", Instant(), nullable=False),
    )
    op.create_table(
        "revocations",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("user_name", sa.String(80), nullable=False),
        sa.Column("session_name", sa.String(80), nullable=False),
        sa.Column("issued_before", Instant(), nullable=False),
        sa.Column("expire_time", Instant(), nullable=False),
        sa.Column("create_time", Instant(), nullable=False),
    )
    op.create_index("revocations_by_create_time", "revocations", ["create_time"])
    op.create_index("revocations_by_expire_time", "revocations", ["expire_time"])
