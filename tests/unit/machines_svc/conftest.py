"""machines_svc as it is composed, over real calls; docker_svc alone is a stand-in."""

from __future__ import annotations

import asyncio
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

from chassis.bus import Bus, Record
from chassis.faults import Fault, NotFound
from chassis.identity import NOBODY, Caller
from machines_svc.composition import compose
from machines_svc.settings import Settings
from tests.composed import PATIENCE, Composed, begin_service

ADMIN = Caller(user="users/root", roles=frozenset({"ADMIN"}), token="root")
PERSON = Caller(user="users/ada", verified=True, token="ada")


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
    GetActivity = ListVolumes = MeasureVolumes = RemoveVolume = ExportVolume = ImportVolume = (
        _unused
    )
    ListNodes = DrainNode = ActivateNode = _unused


@dataclass
class World(Composed):
    """machines_svc, and the ways to it."""

    engine: Engine = field(default_factory=Engine)

    async def call(
        self, method: str, request: Message, caller: Caller = NOBODY, service: str = "nobody"
    ) -> Any:
        """Calls a method as a person, and as a service."""
        stub = machine_service_pb2_grpc.MachineServiceStub
        path = f"/allocator.machines.v1.MachineService/{method}"
        return await self.call_method(stub, path, request, caller, service)

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


async def begin_world(
    folder: Path, exits: AsyncExitStack, shares: Bus | None = None, **settings: str
) -> World:
    """Composes the service over a data folder and serves it, on a bus that is shared or its own."""
    engine = Engine()
    composed = await begin_service(
        compose,
        Settings,
        {f"ALLOCATOR_MACHINES_{name.upper()}": value for name, value in settings.items()},
        folder,
        exits,
        stand_ins={"allocator.containers.v1.ContainerService": engine},
        people=(ADMIN, PERSON),
        shares=shares,
    )
    return World(**vars(composed), engine=engine)


@pytest.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[World]]]:
    """Begins the service over the same data folder, with these settings."""
    async with AsyncExitStack() as exits:
        yield lambda **settings: begin_world(tmp_path, exits, **settings)


@pytest.fixture
async def world(begin: Callable[..., Awaitable[World]]) -> World:
    """The service with an empty catalogue, its tasks not begun."""
    return await begin(starter_catalogue="false")
