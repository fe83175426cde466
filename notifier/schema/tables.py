"""The tables of notifier."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table

from chassis.sql.leases import lease_table
from chassis.sql.once import once_table
from chassis.sql.types import Instant, JsonText

METADATA = MetaData()

DELIVERIES = Table(
    "deliveries",
    METADATA,
    Column("id", String(36), primary_key=True),
    # Where to, whatever the channel; of the time when mails were all there was.
    Column("email", String(254), nullable=False),
    # What the first versions wrote, sealed JSON; NULL since then.
    Column("content", LargeBinary(1000), nullable=True),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer(), nullable=False),
    Column("lease", String(36), nullable=False),
    Column("accept_time", Instant(), nullable=False),
    # NULL once the delivery has ended, so that what waits is found by one index.
    Column("due_time", Instant(), nullable=True),
    Column("channel", String(16), nullable=False, server_default="EMAIL"),
    Column("kind", String(64), nullable=False, server_default=""),
    Column("user_name", String(80), nullable=False, server_default=""),
    # NULL in what the first versions wrote.
    Column("fact_id", String(100), nullable=True),
    Column("expire_time", Instant(), nullable=True),
    # Sealed JSON: what it says; NULL once the delivery has ended.
    Column("message", LargeBinary(2**24 - 1), nullable=True),
    # Of the last attempt: the HTTP status, why it failed, and when it was.
    Column("response_code", Integer(), nullable=False, server_default="0"),
    Column("error", String(300), nullable=False, server_default=""),
    Column("attempt_time", Instant(), nullable=True),
    Index("deliveries_by_due_time", "due_time"),
    Index("deliveries_by_accept_time", "accept_time"),
    Index("deliveries_by_channel", "channel", "due_time"),
    Index("deliveries_by_user", "user_name"),
    Index("deliveries_by_fact", "fact_id", "channel", "email", unique=True),
    Index("deliveries_by_destination", "channel", "email", "accept_time", "id"),
)

WEBHOOKS = Table(
    "webhooks",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("uid", String(36), nullable=False),
    Column("owner", String(80), nullable=False),
    Column("title", String(80), nullable=False),
    Column("url", String(2000), nullable=False),
    Column("kinds", JsonText(), nullable=False),
    Column("state", String(16), nullable=False),
    # Sealed.
    Column("secret", LargeBinary(1000), nullable=False),
    Column("former_secret", LargeBinary(1000), nullable=True),
    Column("former_until", Instant(), nullable=True),
    Column("failing_since", Instant(), nullable=True),
    Column("create_time", Instant(), nullable=False),
    Column("update_time", Instant(), nullable=False),
    Column("version", BigInteger(), nullable=False),
    Index("webhooks_of_owner", "owner", "create_time", "id"),
    Index("webhooks_by_time", "create_time", "id"),
)

ONCE = once_table(METADATA)

LEASES = lease_table(METADATA)
