"""Timelines, what admins did, who has gone, and what was told of dead letters."""

from __future__ import annotations

from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from chassis.documents.outbox import index_outbox


async def upgrade(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Makes the indexes."""
    events = database["events"]
    await events.create_index([("allocation", 1), ("place", 1)], name="events_by_place")
    await events.create_index("time", name="events_by_time")
    await events.create_index("actor", name="events_by_actor")
    acts = database["acts"]
    await acts.create_index("place", name="acts_by_place")
    await acts.create_index([("actor", 1), ("place", 1)], name="acts_by_actor")
    await acts.create_index("resource", name="acts_by_resource")
    await database["leavers"].create_index("time", name="leavers_by_time")
    notices = database["notices"]
    await notices.create_index("time", name="notices_by_time")
    await index_outbox(notices)
