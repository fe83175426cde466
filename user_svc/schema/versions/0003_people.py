"""Contacts that are claimed once they are shown, codes for several purposes, accounts that ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.sql.types import Instant

revision = "0003"
down_revision = "0002"


def _text(name: str, length: int, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=False, server_default=default)


def upgrade() -> None:
    """Adds columns and tables, and fills the new columns; nothing that is there changes."""
    for column in (
        _text("email_folded", 320),
        _text("unclaimed_phone_number", 20),
        _text("language_code", 35, "en"),
        sa.Column("email_verified", sa.Boolean(), nullable=False, server_default="0"),
        sa.Column("phone_verified", sa.Boolean(), nullable=False, server_default="0"),
        _text("signed_up_by", 8, "EMAIL"),
        _text("disable_reason", 500),
    ):
        op.add_column("users", column)
    # Until now every account was verified by mail, and no phone number was.
    op.execute("UPDATE users SET email_folded = email_key, email_verified = verified")
    op.create_table(
        "deleted_users",
        sa.Column("id", sa.String(12), primary_key=True),
        sa.Column("uid", sa.String(36), nullable=False),
        sa.Column("delete_time", Instant(), nullable=False),
    )
    for column in (
        _text("phone_number", 20),
        _text("user_name", 80),
        _text("language_code", 35, "en"),
        _text("purpose", 16, "SIGN_UP"),
        _text("new_contact", 254),
    ):
        op.add_column("letters", column)
    for column in (
        _text("purpose", 16, "SIGN_UP"),
        _text("contact_kind", 8, "EMAIL"),
        _text("contact", 254),
    ):
        op.add_column("codes", column)
    op.execute(
        "UPDATE codes SET contact = "
        "COALESCE((SELECT email FROM users WHERE users.id = codes.user_id), '')"
    )
    _widen_key_of_codes()


def _widen_key_of_codes() -> None:
    """A person may have one code of each purpose."""
    if op.get_bind().dialect.name != "sqlite":
        op.execute("ALTER TABLE codes DROP PRIMARY KEY, ADD PRIMARY KEY (user_id, purpose)")
        return
    # SQLite changes no key: the table is made anew, in the transaction of the migration.
    kept = ["user_id", "purpose", "contact_kind", "contact"]
    kept += ["salt", "digest", "send_time", "expire_time", "attempts"]
    op.create_table(
        "codes_by_purpose",
        sa.Column("user_id", sa.String(12), primary_key=True),
        sa.Column("purpose", sa.String(16), primary_key=True, server_default="SIGN_UP"),
        sa.Column("contact_kind", sa.String(8), nullable=False, server_default="EMAIL"),
        sa.Column("contact", sa.String(254), nullable=False, server_default=""),
        sa.Column("salt", sa.LargeBinary(16), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("send_time", Instant(), nullable=False),
        sa.Column("expire_time", Instant(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
    )
    old, new = (sa.table(name, *map(sa.column, kept)) for name in ("codes", "codes_by_purpose"))
    op.execute(new.insert().from_select(kept, sa.select(old)))
    op.drop_table("codes")
    op.rename_table("codes_by_purpose", "codes")
