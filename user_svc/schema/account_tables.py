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
    # The address as `email_key` makes it, for lists.
    Column("email_folded", String(320), nullable=False, server_default=""),
    # The same while the account claims it: unique whatever its case. Else `#` and the identifier.
    Column("email_key", String(320), nullable=False, unique=True),
    # NULL where none is claimed, because unique columns take any number of NULLs. Rows of the first
    # releases may have one that is not claimed; it gives way.
    Column("phone_number", String(20), nullable=True, unique=True),
    # A number that the person has given but not shown to be theirs: it keeps nobody out.
    Column("unclaimed_phone_number", String(20), nullable=False, server_default=""),
    Column("given_name", String(100), nullable=False),
    Column("family_name", String(100), nullable=False),
    Column("password_hash", String(255), nullable=False),
    Column("language_code", String(35), nullable=False, server_default="en"),
    # Whether any contact is verified; the two after it say which.
    Column("verified", Boolean(), nullable=False),
    Column("email_verified", Boolean(), nullable=False, server_default="0"),
    Column("phone_verified", Boolean(), nullable=False, server_default="0"),
    Column("signed_up_by", String(8), nullable=False, server_default="EMAIL"),
    Column("roles", JsonText(), nullable=False),
    # Says again what roles and state say, so that the admins are found by an index.
    Column("is_active_admin", Boolean(), nullable=False),
    Column("state", String(16), nullable=False),
    Column("disable_reason", String(500), nullable=False, server_default=""),
    Column("version", BigInteger(), nullable=False),
    Column("create_time", Instant(), nullable=False),
    Column("update_time", Instant(), nullable=False),
    Index("users_by_time", "create_time", "id"),
    Index("users_by_admin", "is_active_admin"),
)

DELETED_USERS = Table(
    "deleted_users",
    METADATA,
    # Whose name is never used again.
    Column("id", String(12), primary_key=True),
    Column("uid", String(36), nullable=False),
    Column("delete_time", Instant(), nullable=False),
)

CODES = Table(
    "codes",
    METADATA,
    Column("user_id", String(12), primary_key=True),
    Column("purpose", String(16), primary_key=True, server_default="SIGN_UP"),
    Column("contact_kind", String(8), nullable=False, server_default="EMAIL"),
    Column("contact", String(254), nullable=False, server_default=""),
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
    # One of the two; the other is empty.
    Column("email", String(254), nullable=False),
    Column("phone_number", String(20), nullable=False, server_default=""),
    Column("user_name", String(80), nullable=False, server_default=""),
    Column("language_code", String(35), nullable=False, server_default="en"),
    Column("kind", String(32), nullable=False),
    Column("purpose", String(16), nullable=False, server_default="SIGN_UP"),
    # Masked.
    Column("new_contact", String(254), nullable=False, server_default=""),
    # Sealed: the code itself.
    Column("digits", LargeBinary(100), nullable=False),
    Column("expire_time", Instant(), nullable=False),
    Column("due_time", Instant(), nullable=False),
    Column("attempts", Integer(), nullable=False),
    Index("letters_by_due_time", "due_time"),
)

INVITATIONS = Table(
    "invitations",
    METADATA,
    Column("id", String(12), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    # Who has made it: it goes with that account.
    Column("user_id", String(12), nullable=False),
    Column("title", String(100), nullable=False),
    Column("email", String(254), nullable=False),
    Column("max_uses", Integer(), nullable=False),
    Column("use_count", Integer(), nullable=False),
    Column("create_time", Instant(), nullable=False),
    Column("expire_time", Instant(), nullable=False),
    Index("invitations_by_time", "create_time", "id"),
    Index("invitations_by_expire_time", "expire_time"),
    Index("invitations_by_user", "user_id"),
)

# Which contacts have used an invitation: the same one again is no further use.
INVITATION_USES = Table(
    "invitation_uses",
    METADATA,
    Column("invitation_id", String(12), primary_key=True),
    # A digest: it tells nobody which contact it is.
    Column("contact_mark", String(64), primary_key=True),
)
