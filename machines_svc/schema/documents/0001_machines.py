"""Machines, their former versions, and answers to requests."""

from __future__ import annotations

from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from chassis.documents.outbox import index_outbox


async def upgrade(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Makes the indexes."""
    machines = database["machines"]
    await machines.create_index(
        [("gone", 1), ("state", 1), ("title_folded", 1), ("name", 1)], name="machines_by_title"
    )
    await machines.create_index("uid", name="machines_by_uid")
    # A request makes one machine: of two documents with its key the second is refused.
    await machines.create_index("asked_key", name="machines_by_request", unique=True, sparse=True)
    await index_outbox(machines)
    await database["machine_versions"].create_index(
        [("uid", 1), ("version", 1)], name="versions_by_uid"
    )
    await database["once"].create_index("time", name="once_by_time")
