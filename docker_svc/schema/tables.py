"""The tables of docker_svc."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

instances = sa.Table(
    "instances",
    metadata,
    sa.Column("allocation", sa.String(64), primary_key=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("wanted", sa.String(16), nullable=False, index=True),
    # The spec as JSON, sealed by the vault: its environment holds secrets. NULL once it is gone.
    sa.Column("sealed_spec", sa.LargeBinary, nullable=True),
    sa.Column("incarnation", sa.Integer, nullable=False),
    sa.Column("run", sa.String(128), nullable=False),
    sa.Column("ready", sa.Boolean, nullable=False),
    sa.Column("stop_requested", sa.Boolean, nullable=False),
    sa.Column("reason", sa.String(64), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("session", sa.String(128), nullable=False, server_default=""),
    sa.Column("with_host", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("unanswered", sa.Boolean, nullable=False, server_default=sa.false()),
)
