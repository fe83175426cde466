"""Quotas, resource classes, the queue for room; and what is counted of processor, memory and disk."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import sqlalchemy as sa
from alembic import op

from chassis.sql.types import Instant, JsonText

revision = "0004"
down_revision = "0003"

_MIB = 1 << 20
_PAGE = 500


def upgrade() -> None:
    """Makes the tables, and counts what is allocated already."""
    for name in ("cpu_millis", "memory_bytes", "disk_bytes"):
        op.add_column(
            "tallies", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0")
        )
    op.create_table(
        "quotas",
        sa.Column("owner", sa.String(80), primary_key=True),
        sa.Column("roles", sa.String(255), nullable=False),
        sa.Column("overrides", JsonText(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("update_time", Instant(), nullable=True),
    )
    op.create_table(
        "resource_classes",
        sa.Column("id", sa.String(31), primary_key=True),
        sa.Column("title", sa.String(80), nullable=False),
        sa.Column("cpu_millis", sa.Integer(), nullable=False),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("pids", sa.Integer(), nullable=False),
        sa.Column("disk_bytes", sa.BigInteger(), nullable=False),
        sa.Column("is_default", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", Instant(), nullable=False),
        sa.Column("update_time", Instant(), nullable=False),
    )
    op.create_table(
        "queue",
        sa.Column("allocation", sa.String(48), primary_key=True),
        sa.Column("owner", sa.String(80), nullable=False),
        sa.Column("machine", sa.String(80), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("waiting_for", sa.String(32), nullable=False),
        sa.Column("claim", JsonText(), nullable=False),
    )
    op.create_index("queue_in_order", "queue", ["turn", "number"])
    op.create_index("queue_of_owner", "queue", ["owner", "turn"])
    op.create_table(
        "queue_pace",
        sa.Column("id", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("pause_millis", sa.BigInteger(), nullable=True),
        sa.Column("left_time", Instant(), nullable=True),
    )
    op.create_table(
        "queue_turns",
        sa.Column("owner", sa.String(80), primary_key=True),
        sa.Column("turn", sa.BigInteger(), nullable=False),
    )
    _count_what_there_is(op.get_bind())


def _count_what_there_is(connection: sa.Connection) -> None:
    allocations = sa.table(
        "allocations",
        sa.column("name"),
        sa.column("live"),
        sa.column("document", JsonText()),
        sa.column("plan", JsonText()),
    )
    tallies = sa.table(
        "tallies",
        *(sa.column(n) for n in ("subject", "used", "cpu_millis", "memory_bytes", "disk_bytes")),
    )
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    after = ""
    page = sa.select(allocations).where(allocations.c.live == 1).order_by(allocations.c.name)
    while rows := connection.execute(page.where(allocations.c.name > after).limit(_PAGE)).all():
        for row in rows:
            document = {**row.document, **_counted(row.document, row.plan)}
            connection.execute(
                sa.update(allocations)
                .where(allocations.c.name == row.name)
                .values(document=document)
            )
            _add(sums, document)
        after = rows[-1].name
    connection.execute(sa.delete(tallies))
    if sums:
        names = ("used", "cpu_millis", "memory_bytes", "disk_bytes")
        connection.execute(
            sa.insert(tallies),
            [
                {"subject": subject, **dict(zip(names, amounts, strict=True))}
                for subject, amounts in sums.items()
            ],
        )


def _counted(document: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
    cpu_millis, memory_bytes, *_ = plan["limits"]
    disk = sum(volume[1] for volume in plan.get("volumes", ())) * _MIB
    needs = [1, cpu_millis, memory_bytes, disk]
    known = (document.get("last_known") or document)["state"]
    rests = known == "STOPPED" and document["desired"] != "RUNNING"
    return {"needs": needs, "held": ["RESTING" if rests else "RUNNING", document["node"], needs]}


def _add(sums: dict[str, list[int]], document: dict[str, Any]) -> None:
    holding, node, (instances, cpu, memory, disk) = document["held"]
    running = [instances, cpu, memory, disk] if holding == "RUNNING" else [instances, 0, 0, disk]
    for subject, amounts in (
        (document["owner"], running),
        (f"nodes/{node}", running),
        (document["machine"], [instances, 0, 0, 0]),
    ):
        sums[subject] = [a + b for a, b in zip(sums[subject], amounts, strict=True)]
