"""broker as it is composed, over real calls and a real bus; the owners alone are stand-ins."""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from allocator.directory.v1 import directory_service_pb2_grpc
from allocator.machines.v1 import machine_facts_pb2
from google.protobuf.message import Message

from broker.composition import compose
from broker.settings import Settings
from chassis.bus import Bus, open_bus
from chassis.bus.facts import fact_records
from chassis.clock import SystemClock
from chassis.faults import Fault, NotFound, Unauthenticated
from chassis.identity import NOBODY, Caller, ServiceTokens, Trust, Vault
from chassis.listing import etag_of
from chassis.rpc import Call, Chain, PeerChannel, ask, current_call
from chassis.rpc.server import RpcServer
from chassis.serving import Platform, Service
from chassis.serving.platform import Shared
from chassis.settings import ProcessSettings, load_settings

PATIENCE = 20.0
PERSON = Caller(user="users/ada", verified=True, token="ada")
T0 = datetime(2026, 1, 1, tzinfo=UTC)


class KnownPeople:
    """Verifies the tokens of these tests."""

    def __init__(self, tokens: ServiceTokens) -> None:
        self.tokens = tokens

    def verify(self, token: str) -> Caller:
        if token != PERSON.token:
            raise Unauthenticated("no")
        return PERSON

    def verify_service(self, token: str) -> str:
        return self.tokens.verify(token)

    def is_fresh(self) -> bool:
        return True


class Owners:
    """Stand in for user_svc, machines_svc and allocation_svc."""

    def __init__(self) -> None:
        self.resources: dict[str, Message] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.fault: Fault | None = None
        self.slow = False

    def keep(self, resource: Any, version: int, made: datetime = T0) -> Any:
        """Has a resource at a version; answers it as it is."""
        resource.etag = etag_of(version)
        resource.create_time.FromDatetime(made)
        self.resources[resource.name] = resource
        return resource

    async def get(self, request, call):
        self.asked.append((request.name, call.caller.service, call.caller.user))
        if self.fault:
            raise self.fault
        if self.slow:
            await asyncio.Event().wait()
        if request.name not in self.resources:
            raise NotFound("There is none.", reason="NOT_HERE")
        return self.resources[request.name]


def _stand_in(owners: Owners, service: str, get: str) -> object:
    from chassis.rpc.contract import methods_of, service_descriptor

    async def unused(self, request, call):
        raise AssertionError

    async def found(self, request, call):
        return await owners.get(request, call)

    names = [method.name for method in methods_of(service_descriptor(service))]
    return type("StandIn", (), {n: found if n == get else unused for n in names})()


@dataclass
class World:
    """broker, and the ways to it."""

    service: Service
    owners: Owners
    chain: Chain
    open_channel: Callable[[str], PeerChannel]
    bus: Bus
    folder: Path
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    def begin(self, *names: str) -> None:
        """Begins the service's own tasks of these names."""
        for task in self.service.tasks:
            if task.name.partition(".")[2] in names:
                self.tasks.append(asyncio.ensure_future(task.run()))

    async def end_tasks(self) -> None:
        """Ends the service's own tasks."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def ask(
        self, method: str, request: Message, caller: Caller = NOBODY, service: str = "notifier"
    ) -> Any:
        """Calls a method of the directory as a service, on a person's behalf or nobody's."""
        known = self.chain.find(f"/allocator.directory.v1.DirectoryService/{method}")
        assert known is not None
        stub = directory_service_pb2_grpc.DirectoryServiceStub(self.open_channel(service))
        token = current_call.set(Call(known, {}, "test", math.inf, caller=caller))
        try:
            return await ask(getattr(stub, method), request, timeout=PATIENCE)
        finally:
            current_call.reset(token)

    async def find(self, name: str, min_version: int = 0, caller: Caller = NOBODY) -> Any:
        """What the directory answers to a name."""
        method = {"users": "GetUser", "machines": "GetMachine", "allocations": "GetAllocation"}[
            name.partition("/")[0]
        ]
        known = self.chain.find(f"/allocator.directory.v1.DirectoryService/{method}")
        assert known is not None
        request: Any = known.request()
        request.name, request.min_version = name, min_version
        return await self.ask(method, request, caller)

    async def publish(
        self, resource: Any, version: int, made: datetime = T0, *, gone: datetime | None = None
    ) -> None:
        """Publishes a resource, or its end, as its owner does."""
        resource.create_time.FromDatetime(made)
        records = fact_records(
            noun=resource.name.partition("/")[0],
            source="test",
            # Which fact it is does not matter to the directory.
            fact=machine_facts_pb2.MachineDeleted(name=resource.name),
            resource=None if gone else resource,
            key=resource.name,
            version=version,
            now=gone or T0,
        )
        await self.bus.publish(records)

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Asks until something is so."""
        async with asyncio.timeout(PATIENCE):
            while not await condition():
                pass

    async def until_known(self, name: str, version: int) -> Any:
        """Waits until the directory knows a version, without asking the owner for it."""

        async def known() -> bool:
            try:
                return bool((await self.find(name)).freshness.version >= version)
            except NotFound:
                return False

        await self.until(known)
        return await self.find(name)


async def begin_world(folder: Path, exits: AsyncExitStack, **settings: str) -> World:
    """Composes the service over a data folder and serves it."""
    runtime = exits.enter_context(tempfile.TemporaryDirectory(prefix="b-"))
    clock = SystemClock()
    tokens = ServiceTokens(b"k" * 32)
    bus = await open_bus(f"sqlite:///{folder}/bus.sqlite3", clock)
    exits.push_async_callback(bus.close)
    environment = {
        "ALLOCATOR_DATA_DIR": str(folder),
        **{f"ALLOCATOR_BROKER_{name.upper()}": value for name, value in settings.items()},
    }
    shared = Shared(
        settings=load_settings(environment, [ProcessSettings, Settings]),
        clock=clock,
        exits=exits,
        bus=bus,
        trust=Trust(tokens),
        service_tokens=tokens,
        vault=Vault(b"v" * 32),
        draining=asyncio.Event(),
        internal_target=f"unix:{runtime}/s",
        advertised=lambda: "",
    )
    service = await compose(Platform("broker", shared))
    owners = Owners()
    stand_ins = {
        name: _stand_in(owners, name, get)
        for name, get in {
            "allocator.users.v1.UserService": "GetUser",
            "allocator.machines.v1.MachineService": "GetMachine",
            "allocator.allocations.v1.AllocationService": "GetAllocation",
        }.items()
    }
    chain = Chain({**service.servicers, **stand_ins}, KnownPeople(tokens))
    server = RpcServer(
        chain, address=shared.internal_target, internal=True, max_request_bytes=1 << 20
    )
    await server.start()
    await server.set_ready({method.service for method in chain.methods()})
    exits.push_async_callback(server.stop, 0)

    def open_channel(caller: str) -> PeerChannel:
        channel = PeerChannel("broker", shared.internal_target, lambda: tokens.mint(caller))
        exits.push_async_callback(channel.close)
        return channel

    world = World(service, owners, chain, open_channel, bus, folder)
    exits.push_async_callback(world.end_tasks)
    return world


@pytest.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[World]]]:
    """Begins the service over the same data folder, with these settings."""
    async with AsyncExitStack() as exits:
        yield lambda **settings: begin_world(tmp_path, exits, **settings)


@pytest.fixture
async def world(begin: Callable[..., Awaitable[World]]) -> World:
    """The service with an empty directory, its tasks not begun."""
    return await begin()
