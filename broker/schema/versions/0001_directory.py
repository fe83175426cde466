"""The directory of users, machines and allocations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.sql.types import Instant

revision = "0001"
down_revision = None


def upgrade() -> None:
    directories = op.create_table(
        "directories",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("is_read", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "entries",
        sa.Column("directory", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(20), primary_key=True),
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", Instant(), nullable=False),
        sa.Column("message", sa.LargeBinary(2**24 - 1), nullable=True),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("machine", sa.String(100), nullable=False),
        sa.Column("write_time", Instant(), nullable=False),
    )
    op.create_index("entries_by_owner", "entries", ["directory", "owner", "name"])
    op.create_index("entries_by_machine", "entries", ["directory", "machine", "name"])
    op.bulk_insert(directories, [{"number": 1, "is_read": True}])
