"""machines_svc as it is composed, over real calls; docker_svc alone is a stand-in."""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from allocator.containers.v1 import container_service_pb2, instance_pb2
from allocator.machines.v1 import machine_pb2, machine_service_pb2, machine_service_pb2_grpc
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from chassis.bus import Bus, Record, open_bus
from chassis.clock import SystemClock
from chassis.faults import Fault, NotFound, Unauthenticated
from chassis.identity import NOBODY, Caller, ServiceTokens, Trust, Vault
from chassis.rpc import Call, Chain, PeerChannel, ask, current_call
from chassis.rpc.server import RpcServer
from chassis.serving import Platform, Service
from chassis.serving.platform import Shared
from chassis.settings import ProcessSettings, load_settings
from machines_svc.composition import compose
from machines_svc.settings import Settings

PATIENCE = 20.0
ADMIN = Caller(user="users/root", roles=frozenset({"ADMIN"}), token="root")
PERSON = Caller(user="users/ada", verified=True, token="ada")


class KnownPeople:
    """Verifies the tokens of these tests."""

    def __init__(self, tokens: ServiceTokens) -> None:
        self.tokens = tokens

    def verify(self, token: str) -> Caller:
        for caller in (ADMIN, PERSON):
            if caller.token == token:
                return caller
        raise Unauthenticated("no")

    def verify_service(self, token: str) -> str:
        return self.tokens.verify(token)

    def is_fresh(self) -> bool:
        return True


class Engine:
    """Stands in for docker_svc."""

    def __init__(self) -> None:
        self.node = instance_pb2.Node(runtime="docker", runs_images=True)
        self.fault: Fault | None = None
        self.pulled: asyncio.Queue[str] = asyncio.Queue()
        self.pulling: dict[str, asyncio.Event] = {}

    async def GetNode(self, request, call) -> instance_pb2.Node:
        if self.fault:
            raise self.fault
        return self.node

    async def PullImage(self, request, call):
        await self.pulled.put(request.image)
        yield container_service_pb2.PullProgress(message="layer", done_bytes=1, total_bytes=2)
        if request.image == "absent":
            raise NotFound("There is no such image.", reason="IMAGE_NOT_FOUND")
        if request.image in self.pulling:
            await self.pulling[request.image].wait()

    async def _unused(self, request, call):
        raise AssertionError

    EnsureInstance = StartInstance = StopInstance = RestartInstance = RemoveInstance = _unused
    GetInstance = ListInstances = WatchInstances = ReadLog = FollowLog = FollowStats = _unused


@dataclass
class World:
    """machines_svc, and the ways to it."""

    service: Service
    engine: Engine
    chain: Chain
    open_channel: Callable[[str], PeerChannel]
    bus: Bus
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    def begin(self, *names: str) -> None:
        """Begins the service's own tasks of these names."""
        for task in self.service.tasks:
            if task.name.partition(".")[2] in names:
                self.tasks.append(asyncio.ensure_future(task.run()))

    async def call(
        self, method: str, request: Message, caller: Caller = NOBODY, service: str = "nobody"
    ) -> Any:
        """Calls a method as a person, and as a service."""
        known = self.chain.find(f"/allocator.machines.v1.MachineService/{method}")
        assert known is not None
        stub = machine_service_pb2_grpc.MachineServiceStub(self.open_channel(service))
        token = current_call.set(Call(known, {}, "test", math.inf, caller=caller))
        try:
            return await ask(getattr(stub, method), request, timeout=PATIENCE)
        finally:
            current_call.reset(token)

    async def create(self, machine_id: str = "redis", **parts: Any) -> machine_pb2.Machine:
        """Adds a machine as an admin."""
        machine = machine_pb2.Machine(**{"title": "Redis", "image": "redis:7", **parts})
        request = machine_service_pb2.CreateMachineRequest(machine=machine, machine_id=machine_id)
        made = await self.call("CreateMachine", request, ADMIN)
        assert isinstance(made, machine_pb2.Machine)
        return made

    async def get(
        self, machine_id: str = "redis", caller: Caller = ADMIN, service: str = "nobody"
    ) -> machine_pb2.Machine:
        """Reads a machine."""
        request = machine_service_pb2.GetMachineRequest(name=f"machines/{machine_id}")
        found = await self.call("GetMachine", request, caller, service)
        assert isinstance(found, machine_pb2.Machine)
        return found

    async def update(self, *paths: str, machine_id: str = "redis", **parts: Any) -> Any:
        """Changes a machine as an admin."""
        request = machine_service_pb2.UpdateMachineRequest(
            machine=machine_pb2.Machine(name=f"machines/{machine_id}", **parts),
            update_mask=FieldMask(paths=paths),
        )
        return await self.call("UpdateMachine", request, ADMIN)

    async def publish(self, machine_id: str = "redis", etag: str = "") -> Any:
        """Publishes a machine as an admin."""
        request = machine_service_pb2.PublishMachineRequest(
            name=f"machines/{machine_id}", etag=etag
        )
        return await self.call("PublishMachine", request, ADMIN)

    async def retire(self, machine_id: str = "redis", etag: str = "") -> Any:
        """Retires a machine as an admin."""
        request = machine_service_pb2.RetireMachineRequest(name=f"machines/{machine_id}", etag=etag)
        return await self.call("RetireMachine", request, ADMIN)

    async def delete(self, machine_id: str = "redis", etag: str = "") -> Any:
        """Deletes a machine as an admin."""
        request = machine_service_pb2.DeleteMachineRequest(name=f"machines/{machine_id}", etag=etag)
        return await self.call("DeleteMachine", request, ADMIN)

    async def listed(self, caller: Caller = NOBODY, service: str = "nobody", **query: Any) -> Any:
        """A page of the catalogue."""
        request = machine_service_pb2.ListMachinesRequest(**query)
        return await self.call("ListMachines", request, caller, service)

    async def until_available(self, machine_id: str, availability: int) -> None:
        """Asks until a machine's availability is so."""
        async with asyncio.timeout(PATIENCE):
            while (await self.get(machine_id)).availability != availability:
                pass

    async def records(self, topic: str, count: int) -> list[Record]:
        """The first records of a topic."""
        had: list[Record] = []
        enough = asyncio.Event()

        async def effect(record: Record) -> None:
            had.append(record)
            if len(had) >= count:
                enough.set()

        reading = asyncio.ensure_future(self.bus.consume(f"test-{topic}", [topic], effect))
        async with asyncio.timeout(PATIENCE):
            await enough.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        return had


async def begin_world(folder: Path, exits: AsyncExitStack, **settings: str) -> World:
    """Composes the service over a data folder and serves it."""
    runtime = exits.enter_context(tempfile.TemporaryDirectory(prefix="m-"))
    clock = SystemClock()
    tokens = ServiceTokens(b"k" * 32)
    bus = await open_bus(f"sqlite:///{folder}/bus.sqlite3", clock)
    exits.push_async_callback(bus.close)
    environment = {
        "ALLOCATOR_DATA_DIR": str(folder),
        **{f"ALLOCATOR_MACHINES_{name.upper()}": value for name, value in settings.items()},
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
    service = await compose(Platform("machines_svc", shared))
    engine = Engine()
    chain = Chain(
        {**service.servicers, "allocator.containers.v1.ContainerService": engine},
        KnownPeople(tokens),
    )
    server = RpcServer(
        chain, address=shared.internal_target, internal=True, max_request_bytes=1 << 20
    )
    await server.start()
    await server.set_ready({method.service for method in chain.methods()})
    exits.push_async_callback(server.stop, 0)

    def open_channel(caller: str) -> PeerChannel:
        channel = PeerChannel("machines_svc", shared.internal_target, lambda: tokens.mint(caller))
        exits.push_async_callback(channel.close)
        return channel

    world = World(service, engine, chain, open_channel, bus)

    async def end() -> None:
        for task in world.tasks:
            task.cancel()
        await asyncio.gather(*world.tasks, return_exceptions=True)

    exits.push_async_callback(end)
    return world


@pytest.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[World]]]:
    """Begins the service over the same data folder, with these settings."""
    async with AsyncExitStack() as exits:
        yield lambda **settings: begin_world(tmp_path, exits, **settings)


@pytest.fixture
async def world(begin: Callable[..., Awaitable[World]]) -> World:
    """The service with an empty catalogue, its tasks not begun."""
    return await begin(starter_catalogue="false")
