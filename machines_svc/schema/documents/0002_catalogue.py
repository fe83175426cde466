"""Searching, orders, pictures, and what others make of a machine.

What is searched by is filled when the service starts: it finds what was not indexed yet.
"""

from __future__ import annotations

from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

_NEW: dict[str, Any] = {
    "category": "",
    "price": 0,
    "waiting": 0,
    "rating": 0,
    "reviews": 0,
    "rents": 0,
    "feed_version": 0,
    "indexed": 0,
}


async def upgrade(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Adds the fields, and makes the indexes."""
    machines = database["machines"]
    await machines.update_many({"gone": False, "indexed": {"$exists": False}}, {"$set": _NEW})
    await machines.create_index("words", name="machines_by_words")
    for field in ("create_time", "price", "rating", "rents"):
        await machines.create_index(
            [("gone", 1), ("state", 1), (field, 1), ("name", 1)], name=f"machines_by_{field}"
        )
    await machines.create_index("publisher", name="machines_by_publisher")
    await database["machine_rents"].create_index("uid", name="rents_by_uid")
    await database["machine_pictures"].create_index("uid", name="pictures_by_uid")
