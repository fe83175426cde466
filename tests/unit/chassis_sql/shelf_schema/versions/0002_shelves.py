"""Shelves, which books refer to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes the table, and the reference to it."""
    op.create_table("shelves", sa.Column("name", sa.String(80), primary_key=True))
    with op.batch_alter_table("books") as books:
        books.create_foreign_key("books_on_shelves", "shelves", ["shelf"], ["name"])
        books.create_index("books_by_time", ["time"])
