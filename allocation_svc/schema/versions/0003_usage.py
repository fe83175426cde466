"""Usage: what each allocation was, and for how long; of what there is already, as far as it is known."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from chassis.sql.types import Instant

revision = "0003"
down_revision = "0002"

_FOREVER = 253402214400000
_PAGE = 500
_STARTING = {"PROVISIONING": "STARTING"}


def upgrade() -> None:
    """Makes the table and an index, and tells the lives so far."""
    op.create_table(
        "usage_intervals",
        sa.Column("allocation", sa.String(48), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("machine", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("asked", sa.SmallInteger(), nullable=False),
        sa.Column("start_time", Instant(), nullable=False),
        sa.Column("end_time", Instant(), nullable=False),
    )
    op.create_index(
        "usage_intervals_of_machine",
        "usage_intervals",
        ["machine", "end_time", "start_time", "kind", "asked", "allocation"],
    )
    op.create_index("allocations_of_owner_by_name", "allocations", ["owner", "name"])
    _tell_lives(op.get_bind())


def _tell_lives(connection: sa.Connection) -> None:
    intervals = sa.table(
        "usage_intervals",
        *(
            sa.column(name)
            for name in (
                "allocation",
                "number",
                "machine",
                "kind",
                "asked",
                "start_time",
                "end_time",
            )
        ),
    )
    page = sa.text(
        "SELECT name, document FROM allocations WHERE name > :after ORDER BY name LIMIT :size"
    )
    after = ""
    # A migration that was cut short on a server begins again here.
    connection.execute(sa.delete(intervals))
    while rows := connection.execute(page, {"after": after, "size": _PAGE}).all():
        lives = [row for _, text in rows for row in _life(_document(text))]
        if lives:
            connection.execute(sa.insert(intervals), lives)
        after = rows[-1][0]


def _document(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _life(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The intervals of an allocation: its first start, what nobody has kept, and its present state."""
    if "create_time" not in document:
        # What was never written by us is left alone: nobody must be kept from starting by it.
        return []
    state, since = document["state"], document["state_time"]
    asked = document["desired"] == "RUNNING"
    known = document["last_known"] or {"state": state, "state_time": since}
    parts = [("STARTING", True, document["create_time"])]
    first_ready = document["first_ready_time"]
    if first_ready is not None:
        parts.append(("UNKNOWN", True, first_ready))
    elif known["state"] not in ("PROVISIONING", "STARTING"):
        # It never answered: it was starting, or had failed, nobody knows how often.
        parts = [("UNKNOWN", True, document["create_time"])]
    parts.append((_kind(known["state"]), asked, known["state_time"]))
    if document["last_known"]:
        parts.append(("UNKNOWN", asked, since))
    if state == "DELETED":
        parts.pop()
    end = document["delete_time"] or since if state == "DELETED" else _FOREVER
    return _rows(document, parts, end)


def _rows(
    document: dict[str, Any], parts: list[tuple[str, bool, int]], end: int
) -> list[dict[str, Any]]:
    """The parts as rows, none of them without a length, unless there is no other."""
    rows: list[dict[str, Any]] = []
    at = parts[0][2]
    ends = [start for _, _, start in parts[1:]] + [end]
    for (kind, asked, _), until in zip(parts, ends, strict=True):
        stop = max(at, until)
        before = rows[-1] if rows else {}
        if (before.get("kind"), before.get("asked")) == (kind, int(asked)):
            before["end_time"] = stop
        elif stop > at or (until == end and not rows):
            rows.append(
                {
                    "allocation": document["name"],
                    "number": len(rows) + 1,
                    "machine": document["machine"],
                    "kind": kind,
                    "asked": int(asked),
                    "start_time": at,
                    "end_time": stop,
                }
            )
        at = stop
    return rows


def _kind(state: str) -> str:
    return _STARTING.get(state, state)
