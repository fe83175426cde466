"""machines_svc and broker as they are composed on a database of documents, and without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from allocator.directory.v1 import directory_service_pb2, directory_service_pb2_grpc
from allocator.machines.v1 import machine_pb2, machine_service_pb2, machine_service_pb2_grpc

import broker.composition
import broker.settings
import machines_svc.composition
import machines_svc.settings
from chassis.bus import Record, open_bus
from chassis.clock import SystemClock
from chassis.documents import open_documents
from chassis.faults import AlreadyExists, NotFound, Unavailable
from chassis.identity import NOBODY, Caller
from chassis.sql import SchemaTooOld
from tests.composed import PATIENCE, Composed, begin_service
from tests.proxy import Proxy
from tests.servers import drop_mongodb, mongodb_url
from tests.store_places import LEFT_SOCKETS, left_sockets_closed

pytestmark = [
    pytest.mark.real_mongodb,
    LEFT_SOCKETS,
    pytest.mark.usefixtures("left_sockets_closed"),
]

__all__ = ["left_sockets_closed"]

ADMIN = Caller(user="users/root", roles=frozenset({"ADMIN"}), token="root")
MACHINES = "/allocator.machines.v1.MachineService/"
DIRECTORY = "/allocator.directory.v1.DirectoryService/"


class Away:
    """Stands in for peers that are away."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def refuse(request: object, call: object) -> None:
            raise Unavailable("It is away.")

        return refuse


@pytest.fixture
async def exits() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def proxy(exits: AsyncExitStack) -> Proxy:
    parts = urlsplit(mongodb_url())
    assert parts.hostname
    assert parts.port
    return await exits.enter_async_context(Proxy(parts.hostname, parts.port))


async def database_for(schema: str, proxy: Proxy, exits: AsyncExitStack) -> str:
    """A migrated database, through the proxy."""
    url = mongodb_url()
    exits.callback(drop_mongodb, url)
    await (await open_documents(url, schema, SystemClock(), migrate=True)).close()
    return f"mongodb://{proxy.address}{urlsplit(url).path}"


async def begin_machines(url: str, folder: Path, exits: AsyncExitStack, **more: Any) -> Composed:
    folder.mkdir(exist_ok=True)
    return await begin_service(
        machines_svc.composition.compose,
        machines_svc.settings.Settings,
        {
            "ALLOCATOR_MACHINES_DATABASE_URL": url,
            "ALLOCATOR_MACHINES_PREFETCH": "false",
            "ALLOCATOR_MACHINES_CACHE_SECONDS": "0",
            "ALLOCATOR_REPLICA": folder.name,
        },
        folder,
        exits,
        stand_ins={"allocator.containers.v1.ContainerService": _away("containers", "Container")},
        people=(ADMIN,),
        **more,
    )


async def begin_broker(url: str, folder: Path, exits: AsyncExitStack, **more: Any) -> Composed:
    folder.mkdir(exist_ok=True)
    return await begin_service(
        broker.composition.compose,
        broker.settings.Settings,
        {"ALLOCATOR_BROKER_DATABASE_URL": url},
        folder,
        exits,
        stand_ins={
            "allocator.users.v1.UserService": _away("users", "User"),
            "allocator.machines.v1.MachineService": _away("machines", "Machine"),
            "allocator.allocations.v1.AllocationService": _away("allocations", "Allocation"),
        },
        people=(ADMIN,),
        **more,
    )


def _away(package: str, service: str) -> object:
    from chassis.rpc.contract import methods_of, service_descriptor

    away = Away()
    names = [
        m.name for m in methods_of(service_descriptor(f"allocator.{package}.v1.{service}Service"))
    ]

    async def refuse(_self: object, request: object, call: object) -> None:
        await away.refuse(request, call)

    return type("StandIn", (), dict.fromkeys(names, refuse))()


async def create(composed: Composed, machine_id: str) -> Any:
    request = machine_service_pb2.CreateMachineRequest(
        machine=machine_pb2.Machine(title="Redis 🦀", image="redis:7"), machine_id=machine_id
    )
    stub = machine_service_pb2_grpc.MachineServiceStub
    return await composed.call_method(stub, f"{MACHINES}CreateMachine", request, ADMIN)


async def listed(composed: Composed) -> set[str]:
    stub = machine_service_pb2_grpc.MachineServiceStub
    request = machine_service_pb2.ListMachinesRequest(page_size=1000)
    page = await composed.call_method(stub, f"{MACHINES}ListMachines", request, ADMIN)
    return {machine.name for machine in page.machines}


async def known(composed: Composed, name: str) -> Any:
    stub = directory_service_pb2_grpc.DirectoryServiceStub
    request = directory_service_pb2.GetMachineRequest(name=name)
    return await composed.call_method(stub, f"{DIRECTORY}GetMachine", request, NOBODY, "notifier")


async def test_a_server_that_was_not_migrated_is_refused(
    tmp_path: Path, exits: AsyncExitStack
) -> None:
    url = mongodb_url()
    exits.callback(drop_mongodb, url)
    for begin in (begin_machines, begin_broker):
        with pytest.raises(SchemaTooOld, match="allocctl migrate"):
            await begin(url, tmp_path / "one", exits)


async def test_replicas_sow_once_and_see_what_the_others_do(
    tmp_path: Path, exits: AsyncExitStack, proxy: Proxy
) -> None:
    bus = await open_bus(f"sqlite:///{tmp_path}/bus.sqlite3", SystemClock())
    exits.push_async_callback(bus.close)
    url = await database_for("machines_svc.schema", proxy, exits)
    replicas = await asyncio.gather(
        *(begin_machines(url, tmp_path / f"r{n}", exits, shares=bus) for n in range(3))
    )
    sown = await listed(replicas[0])
    assert "machines/redis" in sown
    made = await asyncio.gather(
        *(create(r, f"m{n % 5}") for n, r in enumerate(replicas * 5)), return_exceptions=True
    )
    assert sum(isinstance(one, AlreadyExists) for one in made) == 10
    for replica in replicas:
        assert await listed(replica) == sown | {f"machines/m{n}" for n in range(5)}


async def test_what_is_kept_reaches_the_directory_through_outages(
    tmp_path: Path, exits: AsyncExitStack, proxy: Proxy
) -> None:
    bus = await open_bus(f"sqlite:///{tmp_path}/bus.sqlite3", SystemClock())
    exits.push_async_callback(bus.close)
    machines = await begin_machines(
        await database_for("machines_svc.schema", proxy, exits), tmp_path / "m", exits, shares=bus
    )
    directory = await begin_broker(
        await database_for("broker.schema", proxy, exits), tmp_path / "b", exits, shares=bus
    )
    machines.begin("leadership", "relay")
    directory.begin("directory")
    checks = [machines.service.checks["store"], directory.service.checks["store"]]
    assert [check() for check in checks] == [None, None]

    async def until_known(name: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await known(directory, name)
                except (NotFound, Unavailable):
                    continue
                return

    await create(machines, "before")
    await until_known("machines/before")

    await proxy.stop()
    for ask in (lambda: create(machines, "during"), lambda: known(directory, "machines/before")):
        with pytest.raises(Unavailable) as caught:
            await ask()
        assert caught.value.retry_after
        assert "ongo" not in caught.value.message
    assert all(check() for check in checks)

    await proxy.start()
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await create(machines, "after")
            except Unavailable:
                continue
            break
    await until_known("machines/after")
    assert "machines/before" in await listed(machines)
    assert [check() for check in checks] == [None, None]


async def test_two_relays_of_which_one_leads_publish_each_fact_once(
    tmp_path: Path, exits: AsyncExitStack, proxy: Proxy
) -> None:
    bus = await open_bus(f"sqlite:///{tmp_path}/bus.sqlite3", SystemClock())
    exits.push_async_callback(bus.close)
    url = await database_for("machines_svc.schema", proxy, exits)
    replicas = [await begin_machines(url, tmp_path / f"r{n}", exits, shares=bus) for n in range(2)]
    for replica in replicas:
        replica.begin("leadership", "relay")
    had: asyncio.Queue[Record] = asyncio.Queue()
    task = asyncio.create_task(bus.consume("test", ["allocator.machines.facts.v1"], had.put))
    sown = len(await listed(replicas[0]))
    for number in range(10):
        await create(replicas[number % 2], f"m{number}")
    async with asyncio.timeout(PATIENCE):
        records = [await had.get() for _ in range(sown + 10)]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert had.empty()
    assert len({record.key for record in records}) == sown + 10
