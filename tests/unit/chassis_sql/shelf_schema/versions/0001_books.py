"""Books, and the answers of requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.sql.once import once_table
from chassis.sql.types import Instant, JsonText

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "books",
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("time", Instant(), nullable=False),
        sa.Column("document", JsonText(), nullable=True),
        sa.Column("shelf", sa.String(80), nullable=True),
    )
    once_table(sa.MetaData()).create(op.get_bind(), checkfirst=False)
