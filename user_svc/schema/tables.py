"""The tables of user_svc."""

from __future__ import annotations

from chassis.bus.outbox import outbox_table
from chassis.sql.leases import lease_table
from chassis.sql.once import once_table
from user_svc.schema.account_tables import (
    CODES,
    DELETED_USERS,
    INVITATION_USES,
    INVITATIONS,
    LETTERS,
    USERS,
)
from user_svc.schema.metadata import METADATA
from user_svc.schema.session_tables import (
    ACCESS_TOKENS,
    KNOWN_PLACES,
    RECOVERY_CODES,
    REVOCATIONS,
    SESSIONS,
    SIGNING_KEYS,
    TOTPS,
)

OUTBOX = outbox_table(METADATA)

ONCE = once_table(METADATA)

LEASES = lease_table(METADATA)

__all__ = [
    "ACCESS_TOKENS",
    "CODES",
    "DELETED_USERS",
    "INVITATIONS",
    "INVITATION_USES",
    "KNOWN_PLACES",
    "LEASES",
    "LETTERS",
    "METADATA",
    "ONCE",
    "OUTBOX",
    "RECOVERY_CODES",
    "REVOCATIONS",
    "SESSIONS",
    "SIGNING_KEYS",
    "TOTPS",
    "USERS",
]
