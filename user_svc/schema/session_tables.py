"""The tables of sessions, keys and revocations."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, String, Table

from chassis.sql.types import Instant
from user_svc.schema.metadata import METADATA

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
