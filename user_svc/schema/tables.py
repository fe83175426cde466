"""The tables of user_svc."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

from chassis.bus.outbox import outbox_table
from chassis.sql.leases import lease_table
from chassis.sql.once import once_table
from chassis.sql.types import Instant, JsonText

METADATA = MetaData()

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

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("id", String(12), primary_key=True),
    Column("user_id", String(12), nullable=False),
    Column("family_hash", LargeBinary(32), nullable=False),
    Column("turn_hash", LargeBinary(32), nullable=False),
    Column("last_turn_hash", LargeBinary(32), nullable=False),
    # Sealed.
    Column("rotation_key", LargeBinary(100), nullable=False),
    Column("create_time", Instant(), nullable=False),
    Column("refresh_time", Instant(), nullable=False),
    Column("expire_time", Instant(), nullable=False),
    Column("end_time", Instant(), nullable=True),
    Column("user_agent", String(200), nullable=False),
    Column("address", String(100), nullable=False),
    Index("sessions_by_user", "user_id", "create_time", "id"),
    Index("sessions_by_expire_time", "expire_time"),
    Index("sessions_by_end_time", "end_time"),
)

SIGNING_KEYS = Table(
    "signing_keys",
    METADATA,
    Column("id", String(32), primary_key=True),
    # The key before; unique, so that of two processes that make the next key one succeeds.
    Column("follows", String(32), nullable=False, unique=True),
    Column("public_key", LargeBinary(32), nullable=False),
    # Sealed.
    Column("private_key", LargeBinary(100), nullable=False),
    Column("create_time", Instant(), nullable=False),
)

REVOCATIONS = Table(
    "revocations",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("user_name", String(80), nullable=False),
    Column("session_name", String(80), nullable=False),
    Column("issued_before", Instant(), nullable=False),
    Column("expire_time", Instant(), nullable=False),
    Column("create_time", Instant(), nullable=False),
    Index("revocations_by_create_time", "create_time"),
    Index("revocations_by_expire_time", "expire_time"),
)

OUTBOX = outbox_table(METADATA)

ONCE = once_table(METADATA)

LEASES = lease_table(METADATA)
