"""The directory of users, machines and allocations."""

from __future__ import annotations

from typing import Any

from pymongo.asynchronous.database import AsyncDatabase


async def upgrade(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Makes the indexes and the first directory."""
    entries = database["entries"]
    await entries.create_index([("directory", 1), ("kind", 1), ("name", 1)], name="entries_by_name")
    await entries.create_index(
        [("directory", 1), ("owner", 1), ("name", 1)], name="entries_by_owner"
    )
    await entries.create_index(
        [("directory", 1), ("machine", 1), ("name", 1)], name="entries_by_machine"
    )
    await entries.create_index("end_time", name="entries_by_end", sparse=True)
    await database["directories"].update_one(
        {"_id": 1}, {"$setOnInsert": {"number": 1, "is_read": True}}, upsert=True
    )
