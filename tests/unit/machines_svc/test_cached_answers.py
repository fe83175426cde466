"""What everybody sees of the catalogue, given from a cache that knows of every change."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from allocator.machines.v1 import machine_pb2, machine_service_pb2
from google.protobuf.message import Message

from chassis.faults import NotFound
from chassis.identity import NOBODY
from chassis.rpc import Call
from tests.unit.machines_svc.conftest import ADMIN, PATIENCE, PERSON, World

NOBODY_TOKEN = ""


async def answer(world: World, method: str, request: Message, token: str = NOBODY_TOKEN) -> Any:
    """An answer over HTTP, and the headers beside it."""
    found = world.chain.find(f"/allocator.machines.v1.MachineService/{method}")
    assert found is not None
    metadata = {"authorization": f"Bearer {token}"} if token else {}
    call = Call(found, metadata, "192.0.2.1", math.inf, protocol="http")
    given = await world.chain.unary(call, request)
    message = found.response.FromString(given) if isinstance(given, bytes) else given
    return message, dict(call.response_headers)


async def get(world: World, token: str = NOBODY_TOKEN) -> Any:
    """The machine that these tests are about."""
    request = machine_service_pb2.GetMachineRequest(name="machines/redis")
    return await answer(world, "GetMachine", request, token)


async def titles(world: World, token: str = NOBODY_TOKEN) -> tuple[list[str], bool]:
    """The titles of the first page, and whether they came from the cache."""
    page, headers = await answer(
        world, "ListMachines", machine_service_pb2.ListMachinesRequest(), token
    )
    return [machine.title for machine in page.machines], "age" in headers


async def test_an_answer_from_the_cache_says_so(world: World) -> None:
    await world.create()
    await world.publish()
    machine, headers = await get(world)
    assert headers == {}
    again, headers = await get(world, PERSON.token)
    assert again == machine
    assert headers == {"age": "0"}
    assert await titles(world) == (["Redis"], False)
    assert await titles(world, PERSON.token) == (["Redis"], True)


async def test_every_change_is_seen_by_the_next_reader(world: World) -> None:
    await world.create()
    for token in (NOBODY_TOKEN, PERSON.token):
        with pytest.raises(NotFound):
            await get(world, token)
        assert (await titles(world, token))[0] == []
    await world.publish()
    for title in ("One", "Two", "Three"):
        await world.update("title", title=title)
        for fresh in (True, False):
            machine, headers = await get(world)
            assert (machine.title, headers == {}) == (title, fresh)
            assert await titles(world) == ([title], not fresh)
    await world.retire()
    assert (await get(world))[0].state == machine_pb2.Machine.RETIRED
    assert (await titles(world))[0] == []
    await world.delete()
    with pytest.raises(NotFound):
        await get(world)


async def test_admins_and_services_read_the_store(begin: Callable[..., Awaitable[World]]) -> None:
    world, silent = [await begin(starter_catalogue="false", cache_seconds="60") for _ in range(2)]
    await world.create()
    await world.publish()
    assert (await get(world))[0].title == "Redis"
    assert (await titles(world))[0] == ["Redis"]
    # Nobody tells the first one of this.
    await silent.update("title", title="New")
    assert (await get(world, PERSON.token))[0].title == "Redis"
    assert await titles(world, PERSON.token) == (["Redis"], True)
    assert (await get(world, ADMIN.token))[0].title == "New"
    assert await titles(world, ADMIN.token) == (["New"], False)
    for caller in (NOBODY, PERSON, ADMIN):
        # Also where a service asks for a person: what is rented is what is in the store.
        for service in ("allocation_svc", "broker"):
            assert (await world.get("redis", caller, service)).title == "New"
            page = await world.listed(caller, service)
            assert [machine.title for machine in page.machines] == ["New"]


async def test_what_another_replica_changes_is_heard_of(
    begin: Callable[..., Awaitable[World]],
) -> None:
    world = await begin(starter_catalogue="false", cache_seconds="60")
    other = await begin(shares=world.bus, starter_catalogue="false", cache_seconds="60")
    world.begin("news")
    other.begin("relay")
    await other.create()
    await other.publish()
    async with asyncio.timeout(PATIENCE):
        # Until it listens; what was changed before does not matter to whoever begins.
        changes = 0
        while changes == 0 or (await get(world))[0].title != f"{changes}":
            changes += 1
            await other.update("title", title=f"{changes}")
        assert (await get(world))[1] != {}
        await other.update("title", title="Last")

        async def is_told() -> bool:
            # An answer from memory lets nobody else go on.
            await asyncio.sleep(0)
            return (await get(world))[0].title == "Last" and (await titles(world))[0] == ["Last"]

        while not await is_told():
            pass


async def test_drafts_are_never_in_it(world: World) -> None:
    await world.create()
    await get(world, ADMIN.token)
    with pytest.raises(NotFound):
        await get(world)


async def test_what_can_be_run_is_told_as_it_is_known_now(world: World) -> None:
    await world.create()
    await world.publish()
    assert (await get(world))[0].availability == machine_pb2.Machine.AVAILABILITY_UNSPECIFIED
    world.begin("runtime_view")
    await world.until_available("redis", machine_pb2.Machine.RUNNABLE)
    assert (await get(world))[0].availability == machine_pb2.Machine.RUNNABLE
