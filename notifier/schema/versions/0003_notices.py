"""Deliveries over every channel, and inboxes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.sql.types import Instant, JsonText

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds what deliveries say of themselves beside an address, and makes the tables of notices."""
    _widen_deliveries()
    _make_notices()
    _make_what_is_known()


def _widen_deliveries() -> None:
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


def _make_notices() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("user_name", sa.String(80), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("resource", sa.String(250), nullable=False),
        sa.Column("by_user", sa.String(80), nullable=False),
        sa.Column("fact_id", sa.String(100), nullable=False),
        sa.Column("event_time", Instant(), nullable=False),
        sa.Column("create_time", Instant(), nullable=False),
        sa.Column("read_time", Instant(), nullable=True),
        sa.Column("in_page", sa.Integer(), nullable=False),
        sa.Column("mail", sa.String(16), nullable=False),
    )
    op.create_index("notices_by_user", "notices", ["user_name", "position"], unique=True)
    op.create_index("notices_by_kind", "notices", ["user_name", "kind", "create_time"])
    op.create_index("notices_by_mail", "notices", ["mail", "create_time"])
    op.create_index("notices_by_resource", "notices", ["resource"])
    op.create_index("notices_by_author", "notices", ["by_user"])
    op.create_index("notices_by_create_time", "notices", ["create_time"])
    op.create_table(
        "inboxes",
        sa.Column("user_name", sa.String(80), primary_key=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("end_time", Instant(), nullable=True),
    )
    op.create_index("inboxes_by_end_time", "inboxes", ["end_time"])
    op.create_table(
        "preferences",
        sa.Column("user_name", sa.String(80), primary_key=True),
        sa.Column("chosen", JsonText(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("update_time", Instant(), nullable=False),
    )


def _make_what_is_known() -> None:
    op.create_table(
        "told",
        sa.Column("fact_id", sa.String(100), primary_key=True),
        sa.Column("time", Instant(), nullable=False),
    )
    op.create_index("told_by_time", "told", ["time"])
    op.create_table(
        "threads",
        sa.Column("name", sa.String(250), primary_key=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("time", Instant(), nullable=False),
    )
    op.create_index("threads_by_time", "threads", ["time"])
    op.create_table(
        "admins",
        sa.Column("user_name", sa.String(80), primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("is_admin", sa.Integer(), nullable=False),
    )
