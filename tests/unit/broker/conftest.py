"""broker as it is composed, over real calls and a real bus; the owners alone are stand-ins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from allocator.directory.v1 import directory_service_pb2_grpc
from allocator.machines.v1 import machine_facts_pb2
from allocator.timeline.v1 import (
    audit_service_pb2_grpc,
    dead_letter_service_pb2_grpc,
    timeline_service_pb2_grpc,
)
from google.protobuf.message import Message

from broker.composition import compose
from broker.settings import Settings
from chassis.bus import Record
from chassis.bus.facts import fact_records
from chassis.faults import Fault, NotFound
from chassis.identity import NOBODY, Caller
from chassis.listing import etag_of
from tests.composed import Composed, begin_service

PERSON = Caller(user="users/ada", verified=True, token="ada")
OTHER = Caller(user="users/eve", verified=True, token="eve")
ADMIN = Caller(user="users/root", verified=True, token="root", roles=frozenset({"ADMIN"}))
T0 = datetime(2026, 1, 1, tzinfo=UTC)


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
class World(Composed):
    """broker, and the ways to it."""

    owners: Owners = field(default_factory=Owners)

    async def ask(
        self, method: str, request: Message, caller: Caller = NOBODY, service: str = "notifier"
    ) -> Any:
        """Calls a method of the directory as a service, on a person's behalf or nobody's."""
        stub = directory_service_pb2_grpc.DirectoryServiceStub
        path = f"/allocator.directory.v1.DirectoryService/{method}"
        return await self.call_method(stub, path, request, caller, service)

    async def call(self, method: str, request: Message, caller: Caller = NOBODY) -> Any:
        """Calls a public method, `TimelineService/ListEvents`, as a person."""
        stub = {
            "TimelineService": timeline_service_pb2_grpc.TimelineServiceStub,
            "AuditService": audit_service_pb2_grpc.AuditServiceStub,
            "DeadLetterService": dead_letter_service_pb2_grpc.DeadLetterServiceStub,
        }[method.partition("/")[0]]
        return await self.call_method(stub, f"/allocator.timeline.v1.{method}", request, caller)

    async def tell(
        self,
        fact: Message,
        key: str,
        *,
        at: float = 0.0,
        version: int = 1,
        actor: str = "",
        method: str = "",
        **headers: str,
    ) -> Record:
        """Publishes a fact, as its owner does; gives its record.

        Args:
            fact: what has happened.
            key: to what.
            at: when, in seconds after T0.
            version: of what it has happened to.
            actor: who has caused it.
            method: by which call.
            headers: others than those that it has, with `_` for `-`.
        """
        made = fact_records(
            noun=str(fact.DESCRIPTOR.full_name).split(".")[1],
            source="test",
            fact=fact,
            resource=None,
            key=key,
            version=version,
            now=T0 + timedelta(seconds=at),
        )[0]
        caused = {"actor": actor, "method": method}
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        record = replace(made, headers={**made.headers, **caused, **more})
        await self.bus.publish([record])
        return record

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
            # Which fact it is does not matter: its state alone is published.
            fact=machine_facts_pb2.MachineDeleted(name=resource.name),
            resource=None if gone else resource,
            key=resource.name,
            version=version,
            now=gone or T0,
        )
        await self.bus.publish(records[1:])

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
    owners = Owners()
    composed = await begin_service(
        compose,
        Settings,
        {f"ALLOCATOR_BROKER_{name.upper()}": value for name, value in settings.items()},
        folder,
        exits,
        stand_ins={
            name: _stand_in(owners, name, get)
            for name, get in {
                "allocator.users.v1.UserService": "GetUser",
                "allocator.machines.v1.MachineService": "GetMachine",
                "allocator.allocations.v1.AllocationService": "GetAllocation",
            }.items()
        },
        people=(PERSON, OTHER, ADMIN),
    )
    return World(**vars(composed), owners=owners)


@pytest.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[World]]]:
    """Begins the service over the same data folder, with these settings."""
    async with AsyncExitStack() as exits:
        yield lambda **settings: begin_world(tmp_path, exits, **settings)


@pytest.fixture
async def world(begin: Callable[..., Awaitable[World]]) -> World:
    """The service with an empty directory, its tasks not begun."""
    return await begin()
