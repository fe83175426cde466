"""The tables of notifier."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

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

NOTICES = Table(
    "notices",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("user_name", String(80), nullable=False),
    # Its place in the inbox; the inbox counts them.
    Column("position", BigInteger(), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("title", String(200), nullable=False),
    Column("text", Text(), nullable=False),
    Column("resource", String(250), nullable=False),
    # Who did what it tells of; empty where that is nobody.
    Column("by_user", String(80), nullable=False),
    Column("fact_id", String(100), nullable=False),
    Column("event_time", Instant(), nullable=False),
    Column("create_time", Instant(), nullable=False),
    Column("read_time", Instant(), nullable=True),
    # 0 where it is only counted: it went out over other channels.
    Column("in_page", Integer(), nullable=False),
    # NONE, SINGLE, WAITING for a digest, or GATHERED in one.
    Column("mail", String(16), nullable=False),
    Index("notices_by_user", "user_name", "position", unique=True),
    Index("notices_by_kind", "user_name", "kind", "create_time"),
    Index("notices_by_mail", "mail", "create_time"),
    Index("notices_by_resource", "resource"),
    Index("notices_by_author", "by_user"),
    Index("notices_by_create_time", "create_time"),
)

INBOXES = Table(
    "inboxes",
    METADATA,
    Column("user_name", String(80), primary_key=True),
    Column("position", BigInteger(), nullable=False),
    # When the account ended; NULL while it lives.
    Column("end_time", Instant(), nullable=True),
    Index("inboxes_by_end_time", "end_time"),
)

PREFERENCES = Table(
    "preferences",
    METADATA,
    Column("user_name", String(80), primary_key=True),
    # By kind, what was chosen of each way.
    Column("chosen", JsonText(), nullable=False),
    Column("version", Integer(), nullable=False),
    Column("update_time", Instant(), nullable=False),
)

TOLD = Table(
    "told",
    METADATA,
    Column("fact_id", String(100), primary_key=True),
    Column("time", Instant(), nullable=False),
    Index("told_by_time", "time"),
)

THREADS = Table(
    "threads",
    METADATA,
    Column("name", String(250), primary_key=True),
    # Of the newest fact that was told.
    Column("position", BigInteger(), nullable=False),
    Column("time", Instant(), nullable=False),
    Index("threads_by_time", "time"),
)

ADMINS = Table(
    "admins",
    METADATA,
    Column("user_name", String(80), primary_key=True),
    Column("version", BigInteger(), nullable=False),
    # 0 where they were one.
    Column("is_admin", Integer(), nullable=False),
)

LEASES = lease_table(METADATA)
