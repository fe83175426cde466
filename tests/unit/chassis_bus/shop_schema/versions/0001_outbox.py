"""The outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.bus.outbox import outbox_table

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the table."""
    outbox_table(sa.MetaData()).create(op.get_bind())
