"""Leases: which replica does what only one may do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.sql.leases import lease_table

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes the table."""
    lease_table(sa.MetaData()).create(op.get_bind(), checkfirst=False)
