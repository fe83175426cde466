"""What one replica of notifier stores, the watchers of another are told at once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from allocator.allocations.v1 import allocation_facts_pb2, allocation_pb2
from allocator.directory.v1 import directory_service_pb2
from allocator.notifications.v1 import notification_service_pb2
from allocator.users.v1 import user_pb2

from chassis.bus import facts_topic
from chassis.bus.facts import fact_records
from chassis.clock import SystemClock
from chassis.identity import Caller
from chassis.rpc import Call
from chassis.sql import open_database
from notifier.composition import compose
from notifier.settings import Settings
from tests.composed import PATIENCE, Composed, begin_service
from tests.sql_places import SqlPlace

ADA = Caller(user="users/ada", verified=True, token="ada")
SERVICE = "allocator.notifications.v1.NotificationService"

pytestmark = pytest.mark.real_mysql


class StandInDirectory:
    """Knows ada alone."""

    async def GetUser(self, request, call):
        user = user_pb2.User(name=request.name, email="ada@example.org", email_verified=True)
        return directory_service_pb2.GetUserResponse(user=user)

    async def GetMachine(self, request, call):
        raise AssertionError

    GetAllocation = ListAllocations = GetMachine


@pytest.fixture
async def replicas(tmp_path: Path, sql_place: SqlPlace) -> AsyncIterator[list[Composed]]:
    """Two replicas over one database and one bus."""
    url = sql_place("mysql", "notifier.schema")
    await (await open_database(url, "notifier.schema", SystemClock())).close()
    async with AsyncExitStack() as exits:
        made: list[Composed] = []
        for number in range(2):
            folder = tmp_path / str(number)
            folder.mkdir()
            made.append(
                await begin_service(
                    compose,
                    Settings,
                    {"ALLOCATOR_NOTIFIER_DATABASE_URL": url},
                    folder,
                    exits,
                    stand_ins={"allocator.directory.v1.DirectoryService": StandInDirectory()},
                    people=(ADA,),
                    shares=made[0].bus if made else None,
                )
            )
        yield made
        for one in made:
            await one.end_tasks()


async def test_what_one_replica_stores_another_pushes_at_once(replicas: list[Composed]) -> None:
    storing, watching = replicas
    storing.begin("notices", "announcing")
    watching.begin("inboxes")
    servicer = watching.service.servicers[SERVICE]
    known = watching.chain.find(f"/{SERVICE}/WatchNotifications")
    assert known is not None
    call = Call(known, {}, "test", math.inf, caller=ADA)
    request = notification_service_pb2.WatchNotificationsRequest()

    async def publish(number: int) -> None:
        one = allocation_pb2.Allocation(
            name=f"allocations/a{number}bc", owner=ADA.user, machine_title="Redis"
        )
        fact = allocation_facts_pb2.AllocationReady(allocation=one)
        records = fact_records(
            noun="allocations",
            source="test",
            fact=fact,
            resource=one,
            key=one.name,
            version=1,
            now=datetime.now(UTC),
        )
        assert records[0].topic == facts_topic("allocations")
        await storing.bus.publish(records)

    seen: list[str] = []
    async with asyncio.timeout(PATIENCE):
        stream = servicer.WatchNotifications(request, call)  # type: ignore[attr-defined]
        first = await anext(stream)
        assert not first.HasField("notification")
        for number in range(1, 6):
            await publish(number)
            async for response in stream:
                if response.HasField("notification"):
                    seen.append(response.notification.resource)
                    break
    # Sooner than any watcher looks by itself: five of them within the patience of one test.
    assert seen == [f"allocations/a{number}bc" for number in range(1, 6)]
    await stream.aclose()
