"""AuditService over real calls and a real bus, and how people who have gone are taken out."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allocator.allocations.v1 import allocation_facts_pb2, allocation_pb2
from allocator.directory.v1 import directory_service_pb2
from allocator.machines.v1 import machine_facts_pb2, machine_pb2
from allocator.timeline.v1 import audit_service_pb2 as wire
from allocator.timeline.v1 import audit_service_pb2_grpc, timeline_service_pb2
from allocator.users.v1 import user_facts_pb2, user_pb2

from chassis.bus import Record
from chassis.faults import Fault, Forbidden, NotFound
from chassis.rpc import Call, current_call, follow
from tests.unit.broker.conftest import ADMIN, PERSON

T0 = datetime(2026, 1, 1, tzinfo=UTC)
MACHINES = "allocator.machines.v1.MachineService"
USERS = "allocator.users.v1.UserService"
ALLOCATIONS = "allocator.allocations.v1.AllocationService"
NAME = "allocations/abcd"
BY_ROOT = {"actor": "users/root", "actor_role": "ADMIN"}


def refused(reason: str) -> Any:
    return pytest.raises(Fault, check=lambda fault: fault.reason == reason)


async def trail(world: Any, **more: Any) -> Any:
    request = wire.ListAuditEventsRequest(**{"order_by": "time", **more})
    return (await world.call("AuditService/ListAuditEvents", request, ADMIN)).audit_events


async def until_trail(world: Any, count: int) -> Any:
    async def there() -> bool:
        return len(await trail(world)) >= count

    await world.until(there)
    return await trail(world)


def roles_changed(name: str = "users/ada") -> Any:
    return user_facts_pb2.UserRolesChanged(
        user=user_pb2.User(name=name, roles=[user_pb2.User.Role.ADMIN])
    )


def requested(owner: str = "users/ada") -> Any:
    stopped = allocation_pb2.Desired.State.STOPPED
    of_it = allocation_pb2.Allocation(name=NAME, owner=owner, desired_state=stopped)
    return allocation_facts_pb2.AllocationStateRequested(allocation=of_it)


async def acted(world: Any) -> None:
    """Tells of some things that an admin did, and of others that are no such things."""
    machine = machine_facts_pb2.MachinePublished(machine=machine_pb2.Machine(name="machines/redis"))
    grant, publish = f"{USERS}/GrantRole", f"{MACHINES}/PublishMachine"
    stop = f"{ALLOCATIONS}/StopAllocation"
    await world.tell(machine, "machines/redis", at=1, method=publish, **BY_ROOT)
    await world.tell(roles_changed(), "users/ada", at=2, method=grant, **BY_ROOT)
    await world.tell(requested(), NAME, at=3, method=stop, **BY_ROOT)
    # The owner's own; by nobody; what comes of an act; by a method that is not known.
    await world.tell(requested(), NAME, at=4, method=stop, actor="users/ada")
    await world.tell(requested(), NAME, at=5, method=stop)
    await world.tell(requested(), NAME, at=6, method=grant, **BY_ROOT)
    await world.tell(requested(), NAME, at=7, method=f"{ALLOCATIONS}/Other", actor="users/eve")
    await world.tell(machine, "machines/redis", at=8, method=publish, actor="allocation_svc")


async def test_what_admins_do_is_kept_and_nothing_else(world: Any) -> None:
    world.begin("timeline", "directory")
    root = user_pb2.User(name="users/root", roles=[user_pb2.User.Role.ADMIN])
    await world.publish(root, 1)
    await world.publish(user_pb2.User(name="users/ada", given_name="Ada"), 1)
    await world.until_known("users/ada", 1)
    await world.until_known("users/root", 1)
    await acted(world)
    await world.tell(
        roles_changed("users/eve"), "users/eve", at=9, method=f"{USERS}/GrantRole", **BY_ROOT
    )
    events = await until_trail(world, 4)
    assert [event.text for event in events] == [
        "An admin published machines/redis.",
        "An admin changed the roles of Ada (users/ada); they are now: ADMIN.",
        "An admin asked for another state of allocations/abcd.",
        "An admin changed the roles of users/eve; they are now: ADMIN.",
    ]
    first = events[0]
    assert first.name.startswith("auditEvents/")
    assert (first.actor, first.resource, first.source) == ("users/root", "machines/redis", "test")
    assert first.method == f"{MACHINES}/PublishMachine"
    assert first.time.ToDatetime(UTC) == T0 + timedelta(seconds=1)


async def test_the_trail_is_filtered_and_comes_in_pages(world: Any) -> None:
    world.begin("timeline")
    await acted(world)
    await until_trail(world, 3)
    [one] = await trail(world, filter='method : "grantrole" AND actor = "users/root"')
    assert one.resource == "users/ada"
    assert len(await trail(world, filter='time > "2026-01-01T00:00:01Z"')) == 2
    assert not await trail(world, filter='actor = "users/ada"')
    request = wire.ListAuditEventsRequest(page_size=2)
    page = await world.call("AuditService/ListAuditEvents", request, ADMIN)
    assert [event.resource for event in page.audit_events] == [NAME, "users/ada"]
    request.page_token = page.next_page_token
    page = await world.call("AuditService/ListAuditEvents", request, ADMIN)
    assert [event.resource for event in page.audit_events] == ["machines/redis"]
    assert not page.next_page_token
    with refused("FILTER_INVALID"):
        await trail(world, filter="words = x")
    with refused("ORDER_INVALID"):
        await trail(world, order_by="actor")
    with pytest.raises(Forbidden):
        await world.call("AuditService/ListAuditEvents", wire.ListAuditEventsRequest(), PERSON)


async def test_a_deleted_person_is_taken_out_of_everything(world: Any) -> None:
    world.begin("timeline", "directory")
    gone = allocation_pb2.Allocation(
        name=NAME,
        owner="users/ada",
        display_name="Ada's diary",
        machine="machines/redis",
        state=allocation_pb2.Allocation.State.DELETED,
        variables=[allocation_pb2.VariableValue(key="NAME", value="Ada")],
    )
    await world.publish(user_pb2.User(name="users/ada", email="ada@example.org"), 1)
    await world.publish(gone, 1)
    await world.until_known("users/ada", 1)
    await world.until_known(NAME, 1)
    await world.tell(
        user_facts_pb2.UserRegistered(user=user_pb2.User(email="ada@example.org")), "users/ada"
    )
    await acted(world)
    await until_trail(world, 3)
    machine = machine_facts_pb2.MachineDeleted(name="machines/redis")
    by_ada = {"actor": "users/ada", "actor_role": "ADMIN"}
    await world.tell(machine, "machines/redis", **by_ada, method=f"{MACHINES}/DeleteMachine")
    await until_trail(world, 4)

    left = Record(
        "allocator.users.facts.v1",
        "users/ada",
        b"",
        {
            "ce-id": "left",
            "ce-type": "allocator.users.v1.UserDeleted",
            "ce-time": "2026-06-01T00:00:00Z",
        },
    )
    await world.bus.publish([left])

    async def erased() -> bool:
        found = await world.ask(
            "ListAllocations",
            directory_service_pb2.ListAllocationsRequest(machine="machines/redis"),
        )
        return [one.allocation.owner for one in found.entries] == ["users/deleted"]

    await world.until(erased)
    [kept] = (
        await world.ask("ListAllocations", directory_service_pb2.ListAllocationsRequest())
    ).entries
    assert b"Ada" not in kept.SerializeToString()
    assert kept.allocation.name == NAME
    with pytest.raises(NotFound):
        await world.find("users/ada")
    named = [name for event in await trail(world) for name in (event.actor, event.resource)]
    assert "users/ada" not in named
    assert named.count("users/deleted") == 2
    assert "Somebody who has gone deleted machines/redis." in {
        event.text for event in await trail(world)
    }
    request = timeline_service_pb2.ListEventsRequest(parent=NAME)
    events = (await world.call("TimelineService/ListEvents", request, ADMIN)).events
    assert "users/ada" not in {event.actor for event in events}

    # What comes late brings nobody back.
    await world.publish(gone, 2)
    await world.until_known(NAME, 2)
    assert b"Ada" not in (await world.find(NAME)).SerializeToString()
    await world.tell(requested(), NAME, at=99, actor="users/ada", method=f"{ALLOCATIONS}/Stop")
    await world.tell(machine, "machines/late", **BY_ROOT, method=f"{MACHINES}/DeleteMachine")
    await until_trail(world, 5)

    # And the topics keep nothing but that it was deleted.
    had: list[Record] = []
    there = asyncio.Event()

    async def effect(record: Record) -> None:
        had.append(record)
        there.set()

    reading = asyncio.create_task(world.bus.consume("reader", ["allocator.users.facts.v1"], effect))
    await asyncio.wait_for(there.wait(), 20)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    ours = [record for record in had if record.key == "users/ada"]
    assert [record.headers["ce-id"] for record in ours] == ["left"]


async def test_the_whole_trail_is_exported(world: Any) -> None:
    world.begin("timeline")
    await acted(world)
    await until_trail(world, 3)
    known = world.chain.find("/allocator.timeline.v1.AuditService/ExportAuditEvents")
    stub = audit_service_pb2_grpc.AuditServiceStub(world.open_channel(""))
    token = current_call.set(Call(known, {}, "test", math.inf, caller=ADMIN))
    try:
        stream = follow(stub.ExportAuditEvents, wire.ExportAuditEventsRequest(), timeout=20)
        exported = [one.audit_event.resource async for one in stream]
    finally:
        current_call.reset(token)
    assert exported == ["machines/redis", "users/ada", NAME]
