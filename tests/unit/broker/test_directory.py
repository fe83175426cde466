"""DirectoryService over real calls and a real bus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allocator.allocations.v1 import allocation_pb2
from allocator.directory.v1 import directory_service_pb2
from allocator.machines.v1 import machine_pb2
from allocator.users.v1 import user_pb2

from chassis.bus import Record
from chassis.faults import DeadlineExceeded, Fault, Forbidden, NotFound, Unavailable
from chassis.identity import Caller

T0 = datetime(2026, 1, 1, tzinfo=UTC)
PERSON = Caller(user="users/ada", verified=True, token="ada")
Begin = Callable[..., Any]


def machine(title: str = "Redis", name: str = "machines/redis") -> machine_pb2.Machine:
    return machine_pb2.Machine(name=name, title=title)


def allocation(name: str, owner: str = "users/a", of: str = "machines/b") -> Any:
    return allocation_pb2.Allocation(name=f"allocations/{name}", owner=owner, machine=of)


def refused(reason: str) -> Any:
    return pytest.raises(Fault, check=lambda fault: fault.reason == reason)


async def test_what_owners_publish_is_known(world: Any) -> None:
    world.begin("directory")
    user = user_pb2.User(name="users/ada", email="ada@example.org", verified=True)
    rented = allocation("abcd")
    await world.publish(user, 3)
    await world.publish(machine(), 2)
    await world.publish(rented, 7)
    known = await world.until_known("users/ada", 3)
    user.create_time.FromDatetime(T0)
    assert known.user == user
    assert known.freshness.version == 3
    assert 0 <= known.freshness.age.ToTimedelta().total_seconds() < 60
    assert (await world.until_known("machines/redis", 2)).machine.title == "Redis"
    assert (await world.until_known("allocations/abcd", 7)).allocation.owner == "users/a"


async def test_what_is_known_is_answered_without_the_owner(world: Any) -> None:
    world.begin("directory")
    await world.publish(machine(), 2)
    await world.until_known("machines/redis", 2)
    world.owners.fault = Unavailable("Away.")
    world.owners.asked.clear()
    for min_version in (0, 1, 2):
        assert (await world.find("machines/redis", min_version)).freshness.version == 2
    assert world.owners.asked == []


@pytest.mark.parametrize(
    "resource",
    [user_pb2.User(name="users/ada"), machine(), allocation("abcd")],
    ids=["user", "machine", "allocation"],
)
async def test_what_is_not_known_is_asked_of_the_owner_and_kept(world: Any, resource: Any) -> None:
    kept = world.owners.keep(resource, 4)
    found = await world.find(kept.name)
    assert getattr(found, kept.DESCRIPTOR.name.lower()) == kept
    assert found.freshness.version == 4
    await world.find(kept.name, min_version=4)
    assert world.owners.asked == [(kept.name, "broker", "")]


async def test_a_newer_version_is_asked_of_the_owner(world: Any) -> None:
    world.owners.keep(machine("old"), 1)
    await world.find("machines/redis")
    world.owners.keep(machine("new"), 2)
    assert (await world.find("machines/redis")).machine.title == "old"
    assert (await world.find("machines/redis", min_version=2)).machine.title == "new"
    assert (await world.find("machines/redis")).machine.title == "new"


async def test_the_owner_is_asked_as_a_peer_whoever_the_caller_works_for(world: Any) -> None:
    world.owners.keep(machine(), 1)
    await world.find("machines/redis", caller=PERSON)
    assert world.owners.asked == [("machines/redis", "broker", "")]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("users/none", "USER_NOT_FOUND"),
        ("machines/none", "MACHINE_NOT_FOUND"),
        ("allocations/none", "ALLOCATION_NOT_FOUND"),
    ],
)
async def test_what_nobody_has_is_not_found(world: Any, name: str, reason: str) -> None:
    with refused(reason):
        await world.find(name)


async def test_what_the_owner_no_longer_has_is_forgotten(world: Any) -> None:
    world.owners.keep(allocation("abcd"), 1)
    await world.find("allocations/abcd")
    world.owners.resources.clear()
    with refused("ALLOCATION_NOT_FOUND"):
        await world.find("allocations/abcd", min_version=2)
    listed = await world.ask(
        "ListAllocations", directory_service_pb2.ListAllocationsRequest(owner="users/a")
    )
    assert not listed.entries


async def test_an_absent_owner_makes_nothing_disappear(world: Any) -> None:
    world.owners.keep(machine(), 1)
    await world.find("machines/redis")
    world.owners.fault = Unavailable("Away.")
    with pytest.raises(Unavailable):
        await world.find("machines/redis", min_version=2)
    with pytest.raises(Unavailable):
        await world.find("machines/other")
    assert (await world.find("machines/redis")).freshness.version == 1


async def test_a_slow_owner_is_not_waited_for_longer_than_is_set(begin: Begin) -> None:
    world = await begin(owner_timeout_seconds="0.1")
    world.owners.slow = True
    with pytest.raises(DeadlineExceeded):
        await world.find("machines/redis")


async def test_a_version_that_even_the_owner_has_not_is_not_answered(world: Any) -> None:
    world.owners.keep(machine(), 3)
    with pytest.raises(Unavailable, match="version 3"):
        await world.find("machines/redis", min_version=9)


async def test_an_end_is_known_at_once_and_asked_about_where_a_version_is_wanted(
    world: Any,
) -> None:
    world.begin("directory")
    await world.publish(machine(), 1)
    await world.until_known("machines/redis", 1)
    # As long as it was not known, its owner was asked.
    world.owners.asked.clear()
    await world.publish(machine(), 2, gone=T0 + timedelta(seconds=1))

    async def gone() -> bool:
        try:
            await world.find("machines/redis")
        except NotFound:
            return True
        return False

    await world.until(gone)
    with refused("MACHINE_NOT_FOUND"):
        await world.find("machines/redis")
    assert world.owners.asked == []
    world.owners.keep(machine("anew"), 1, T0 + timedelta(seconds=2))
    assert (await world.find("machines/redis", min_version=1)).machine.title == "anew"
    assert (await world.find("machines/redis")).machine.title == "anew"


async def test_late_and_repeated_records_change_nothing(world: Any) -> None:
    world.begin("directory")
    for version in (1, 3):
        await world.publish(machine(f"v{version}"), version)
        await world.until_known("machines/redis", version)
    for version in (3, 2):
        await world.publish(machine("late"), version)
        await world.publish(machine("after", f"machines/after{version}"), 1)
        await world.until_known(f"machines/after{version}", 1)
    found = await world.find("machines/redis")
    assert (found.machine.title, found.freshness.version) == ("v3", 3)


@pytest.mark.parametrize(
    "record",
    [
        Record("", "machines/x", b"\xff\xff", {"ce-type": "allocator.machines.v1.Machine"}),
        Record(
            "",
            "machines/x",
            machine(name="machines/y").SerializeToString(),
            {"ce-type": "allocator.machines.v1.Machine", "version": "1"},
        ),
        Record(
            "",
            "machines/x",
            machine(name="machines/x").SerializeToString(),
            {"ce-type": "allocator.machines.v1.Machine", "version": "none"},
        ),
        Record("", "machines/x", b"", {"ce-type": "allocator.machines.v1.MachineDeleted"}),
    ],
    ids=["garbage", "another resource", "no version", "an end without a time"],
)
async def test_what_cannot_be_read_stops_nothing(world: Any, record: Record) -> None:
    world.begin("directory")
    bad = Record("allocator.machines.state.v1", record.key, record.value, record.headers)
    await world.bus.publish([bad])
    await world.publish(machine(), 1)
    await world.until_known("machines/redis", 1)
    (letter,) = await world.bus.dead_letters(10)
    assert (letter.group, letter.reason) == ("broker.directory", "REQUEST_INVALID")


async def test_types_of_later_versions_are_left_alone(world: Any) -> None:
    world.begin("directory")
    later = Record("allocator.machines.state.v1", "machines/x", b"x", {"ce-type": "later.v2.Thing"})
    await world.bus.publish([later])
    await world.publish(machine(), 1)
    await world.until_known("machines/redis", 1)
    assert await world.bus.dead_letters(10) == []


async def test_allocations_are_listed_by_pages(world: Any) -> None:
    world.begin("directory")
    for i in range(7):
        await world.publish(allocation(f"a00{i}", f"users/{i % 2}", f"machines/m{i % 3}"), 1)
    await world.until_known("allocations/a006", 1)
    names: list[str] = []
    token = ""
    while True:
        page = await world.ask(
            "ListAllocations",
            directory_service_pb2.ListAllocationsRequest(
                owner="users/0", page_size=2, page_token=token
            ),
        )
        names += [entry.allocation.name for entry in page.entries]
        assert all(entry.freshness.version == 1 for entry in page.entries)
        token = page.next_page_token
        if not token:
            break
    assert names == [f"allocations/a00{i}" for i in (0, 2, 4, 6)]
    one = await world.ask(
        "ListAllocations",
        directory_service_pb2.ListAllocationsRequest(machine="machines/m1", page_size=1),
    )
    assert [entry.allocation.name for entry in one.entries] == ["allocations/a001"]
    with refused("PAGE_TOKEN_INVALID"):
        await world.ask(
            "ListAllocations",
            directory_service_pb2.ListAllocationsRequest(page_token=one.next_page_token),
        )


async def test_people_cannot_ask_the_directory(world: Any) -> None:
    request = directory_service_pb2.GetUserRequest(name="users/ada")
    for service in ("nobody", "docker_svc"):
        with pytest.raises(Forbidden):
            await world.ask("GetUser", request, PERSON, service)


async def test_the_directory_outlives_a_restart(begin: Begin) -> None:
    world = await begin()
    world.begin("directory")
    await world.publish(machine(), 5)
    await world.until_known("machines/redis", 5)
    await world.end_tasks()
    again = await begin()
    assert (await again.find("machines/redis")).freshness.version == 5
    assert again.owners.asked == []


async def test_a_rebuild_makes_the_directory_anew_from_the_topics(begin: Begin) -> None:
    world = await begin()
    world.begin("directory")
    await world.publish(machine(), 5)
    await world.publish(allocation("abcd"), 1)
    await world.until_known("machines/redis", 5)
    await world.until_known("allocations/abcd", 1)
    world.owners.keep(machine(name="machines/zombie"), 1)
    await world.find("machines/zombie")
    world.owners.resources.clear()
    await world.end_tasks()

    again = await begin(rebuild_at_start="true", rebuild_quiet_seconds="0.3")
    assert (await again.find("machines/zombie")).freshness.version == 1
    again.begin("directory", "rebuild")

    async def rebuilt() -> bool:
        assert (await again.find("machines/redis")).freshness.version == 5
        try:
            await again.find("machines/zombie")
        except NotFound:
            return True
        return False

    await again.until(rebuilt)
    again.owners.asked.clear()
    assert (await again.find("allocations/abcd")).freshness.version == 1
    await again.publish(machine("later"), 6)
    await again.until_known("machines/redis", 6)
    assert again.owners.asked == []


async def test_of_many_who_ask_at_once_each_is_answered(world: Any) -> None:
    for i in range(20):
        world.owners.keep(machine(name=f"machines/m{i}"), 1)
    found = await asyncio.gather(*(world.find(f"machines/m{i % 20}") for i in range(100)))
    assert [f.machine.name for f in found] == [f"machines/m{i % 20}" for i in range(100)]
