"""The tables of sessions, keys, revocations, access tokens and second factors."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, String, Table

from chassis.sql.types import Instant, JsonText
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
    # When the last personal access token that it has signed ends.
    Column("needed_until", Instant(), nullable=True),
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
    Column("access_token_name", String(80), nullable=False, server_default=""),
    Index("revocations_by_create_time", "create_time"),
    Index("revocations_by_expire_time", "expire_time"),
)

ACCESS_TOKENS = Table(
    "access_tokens",
    METADATA,
    Column("id", String(12), primary_key=True),
    Column("user_id", String(12), nullable=False),
    Column("title", String(100), nullable=False),
    Column("scopes", JsonText(), nullable=False),
    Column("create_time", Instant(), nullable=False),
    Column("expire_time", Instant(), nullable=False),
    Column("last_use_time", Instant(), nullable=True),
    Index("access_tokens_by_user", "user_id", "create_time", "id"),
    Index("access_tokens_by_expire_time", "expire_time"),
)

TOTPS = Table(
    "totps",
    METADATA,
    Column("user_id", String(12), primary_key=True),
    # Sealed.
    Column("secret", LargeBinary(200), nullable=False),
    Column("create_time", Instant(), nullable=False),
    Column("confirm_time", Instant(), nullable=True),
    # The newest time step whose code was used; no code of it or of an earlier one is taken again.
    Column("last_step", BigInteger(), nullable=False),
)

RECOVERY_CODES = Table(
    "recovery_codes",
    METADATA,
    Column("user_id", String(12), primary_key=True),
    # In hexadecimal: a key of MySQL cannot be bytes of any length.
    Column("digest", String(64), primary_key=True),
)

# Where each person has logged in from: devices in plain words, and networks.
KNOWN_PLACES = Table(
    "known_places",
    METADATA,
    Column("user_id", String(12), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("place", String(100), primary_key=True),
    Column("last_time", Instant(), nullable=False),
    Index("known_places_by_last_time", "last_time"),
)
