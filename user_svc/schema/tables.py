"""The tables of user_svc."""

from __future__ import annotations

from chassis.bus.outbox import outbox_table
from chassis.sql.leases import lease_table
from chassis.sql.once import once_table
from user_svc.schema.account_tables import CODES, LETTERS, USERS
from user_svc.schema.metadata import METADATA
from user_svc.schema.session_tables import REVOCATIONS, SESSIONS, SIGNING_KEYS

OUTBOX = outbox_table(METADATA)

ONCE = once_table(METADATA)

LEASES = lease_table(METADATA)

__all__ = [
    "CODES",
    "LEASES",
    "LETTERS",
    "METADATA",
    "ONCE",
    "OUTBOX",
    "REVOCATIONS",
    "SESSIONS",
    "SIGNING_KEYS",
    "USERS",
]
