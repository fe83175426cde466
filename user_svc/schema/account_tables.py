"""The tables of accounts, their codes and letters."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table

from chassis.sql.types import Instant, JsonText
from user_svc.schema.metadata import METADATA

USERS = Table(
    "users",
    METADATA,
    Column("id", String(12), primary_key=True),
    Column("uid", String(36), nullable=False),
    Column("email", String(254), nullable=False),
    # The address as `email_key` makes it: unique whatever its case.
    Column("email_key", String(320), nullable=False, unique=True),
    # NULL where there is none, because unique columns take any number of NULLs.
    Column("phone_number", String(20), nullable=True, unique=True),
    Column("given_name", String(100), nullable=False),
    Column("family_name", String(100), nullable=False),
    Column("password_hash", String(255), nullable=False),
    Column("verified", Boolean(), nullable=False),
    Column("roles", JsonText(), nullable=False),
    # Says again what roles and state say, so that the admins are found by an index.
    Column("is_active_admin", Boolean(), nullable=False),
    Column("state", String(16), nullable=False),
    Column("version", BigInteger(), nullable=False),
    Column("create_time", Instant(), nullable=False),
    Column("update_time", Instant(), nullable=False),
    Index("users_by_time", "create_time", "id"),
    Index("users_by_admin", "is_active_admin"),
)

CODES = Table(
    "codes",
    METADATA,
    Column("user_id", String(12), primary_key=True),
    Column("salt", LargeBinary(16), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("send_time", Instant(), nullable=False),
    Column("expire_time", Instant(), nullable=False),
    Column("attempts", Integer(), nullable=False),
)

LETTERS = Table(
    "letters",
    METADATA,
    Column("delivery_id", String(36), primary_key=True),
    Column("email", String(254), nullable=False),
    Column("kind", String(32), nullable=False),
    # Sealed: the code itself.
    Column("digits", LargeBinary(100), nullable=False),
    Column("expire_time", Instant(), nullable=False),
    Column("due_time", Instant(), nullable=False),
    Column("attempts", Integer(), nullable=False),
    Index("letters_by_due_time", "due_time"),
)
