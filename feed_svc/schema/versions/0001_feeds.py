"""Feeds: comments, reviews, votes, the names of authors, and what is waiting to be published."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chassis.bus.outbox import outbox_table
from chassis.sql.leases import lease_table
from chassis.sql.once import once_table
from chassis.sql.types import Instant

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "feeds",
        sa.Column("machine", sa.String(80), primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("likes", sa.Integer(), nullable=False),
        sa.Column("dislikes", sa.Integer(), nullable=False),
        sa.Column("comments", sa.Integer(), nullable=False),
        sa.Column("stars1", sa.Integer(), nullable=False),
        sa.Column("stars2", sa.Integer(), nullable=False),
        sa.Column("stars3", sa.Integer(), nullable=False),
        sa.Column("stars4", sa.Integer(), nullable=False),
        sa.Column("stars5", sa.Integer(), nullable=False),
        sa.Column("threads_made", sa.Integer(), nullable=False),
        sa.Column("reviews_made", sa.Integer(), nullable=False),
        sa.Column("end_time", Instant(), nullable=True),
    )
    op.create_table(
        "comments",
        sa.Column("machine", sa.String(80), primary_key=True),
        sa.Column("epoch", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("thread", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("reply", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("uid", sa.String(36), nullable=False),
        sa.Column("author", sa.String(80), nullable=False),
        sa.Column("text", sa.Text(2**16 - 1), nullable=False),
        sa.Column("line_allocation", sa.String(80), nullable=False),
        sa.Column("line_cursor", sa.BigInteger(), nullable=False),
        sa.Column("replies", sa.Integer(), nullable=False),
        sa.Column("replies_made", sa.Integer(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", Instant(), nullable=False),
        sa.Column("update_time", Instant(), nullable=False),
    )
    op.create_index("comments_by_page", "comments", ["machine", "epoch", "reply", "thread"])
    op.create_index("comments_by_author", "comments", ["author", "machine"])
    op.create_table(
        "reviews",
        sa.Column("machine", sa.String(80), primary_key=True),
        sa.Column("epoch", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("uid", sa.String(36), nullable=False),
        sa.Column("author", sa.String(80), nullable=False),
        sa.Column("stars", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(2**16 - 1), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", Instant(), nullable=False),
        sa.Column("update_time", Instant(), nullable=False),
    )
    op.create_index("reviews_by_author", "reviews", ["author", "machine"])
    op.create_table(
        "votes",
        sa.Column("machine", sa.String(80), primary_key=True),
        sa.Column("epoch", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("person", sa.String(80), primary_key=True),
        sa.Column("direction", sa.String(10), nullable=False),
        sa.Column("update_time", Instant(), nullable=False),
    )
    op.create_index("votes_by_person", "votes", ["person", "machine"])
    op.create_table(
        "authors",
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("shown", sa.String(300), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("gone", sa.Boolean(), nullable=False),
    )
    once_table(sa.MetaData()).create(op.get_bind(), checkfirst=False)
    outbox_table(sa.MetaData()).create(op.get_bind(), checkfirst=False)
    lease_table(sa.MetaData()).create(op.get_bind(), checkfirst=False)
