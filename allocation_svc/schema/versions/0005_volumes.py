"""Volumes, with names of their own; those of the allocations that there are get theirs."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

from chassis.sql.types import Instant

revision = "0005"
down_revision = "0004"

_PAGE = 500


def upgrade() -> None:
    """Makes the tables, and writes down the volumes of live allocations."""
    op.create_table(
        "volumes",
        sa.Column("name", sa.String(48), primary_key=True),
        sa.Column("uid", sa.String(36), nullable=False),
        sa.Column("owner", sa.String(80), nullable=False),
        sa.Column("display_name", sa.String(80), nullable=False),
        sa.Column("machine", sa.String(80), nullable=False),
        sa.Column("path", sa.String(255), nullable=False),
        sa.Column("size_limit_mib", sa.Integer(), nullable=False),
        sa.Column("node", sa.String(255), nullable=False),
        sa.Column("allocation", sa.String(48), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("create_time", Instant(), nullable=False),
        sa.Column("update_time", Instant(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("measure_time", Instant(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
    )
    op.create_index("volumes_of_owner", "volumes", ["owner", "create_time", "name"])
    op.create_index("volumes_by_time", "volumes", ["create_time", "name"])
    op.create_index("volumes_of_allocation", "volumes", ["allocation"])
    op.create_table(
        "shelves",
        sa.Column("owner", sa.String(80), primary_key=True),
        sa.Column("begun", sa.BigInteger(), nullable=False),
    )
    _name_volumes(op.get_bind())


def _name_volumes(connection: sa.Connection) -> None:
    texts = (
        "name",
        "uid",
        "owner",
        "display_name",
        "machine",
        "path",
        "node",
        "allocation",
        "state",
    )
    numbers = (
        "size_limit_mib",
        "create_time",
        "update_time",
        "size_bytes",
        "measure_time",
        "version",
    )
    volumes = sa.table("volumes", *(sa.column(name) for name in (*texts, *numbers)))
    page = sa.text(
        "SELECT name, document, plan FROM allocations WHERE live = 1 AND name > :after "
        "ORDER BY name LIMIT :size"
    )
    written = sa.text("UPDATE allocations SET document = :document WHERE name = :name")
    after = ""
    # A migration that was cut short on a server begins again here.
    connection.execute(sa.delete(volumes))
    while rows := connection.execute(page, {"after": after, "size": _PAGE}).all():
        for name, document, plan in rows:
            allocation, planned = _read(document), _read(plan).get("volumes", [])
            if not planned or "create_time" not in allocation:
                continue
            identity = name.rpartition("/")[2]
            allocation["volumes"] = [
                [path, f"volumes/{identity}-v{n}"] for n, (path, *_) in enumerate(planned, 1)
            ]
            connection.execute(written, {"name": name, "document": json.dumps(allocation)})
            connection.execute(
                sa.insert(volumes),
                [
                    {
                        "name": f"volumes/{identity}-v{n}",
                        "uid": str(uuid4()),
                        "owner": allocation["owner"],
                        "display_name": f"{allocation['display_name']}{path}"[:80],
                        "machine": allocation["machine"],
                        "path": path,
                        "size_limit_mib": size,
                        "node": allocation["node"],
                        "allocation": name,
                        "state": "IN_USE",
                        "create_time": allocation["create_time"],
                        "update_time": allocation["create_time"],
                        "size_bytes": 0,
                        "measure_time": None,
                        "version": 1,
                    }
                    for n, (path, size, *_) in enumerate(planned, 1)
                ],
            )
        after = rows[-1][0]


def _read(value: Any) -> dict[str, Any]:
    """A document; an empty one where it was never written by us."""
    try:
        found = json.loads(value) if isinstance(value, (str, bytes)) else value
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
