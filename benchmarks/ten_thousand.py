"""What ten thousand allocations cost those who come next, and the reconciler that has nothing to do."""

# ruff: noqa: N802 - methods of stand-ins are named as in the contract

from __future__ import annotations

import asyncio
import logging
import math
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import structlog
from allocator.allocations.v1 import (
    allocation_pb2,
    allocation_service_pb2,
)
from allocator.containers.v1 import container_service_pb2, instance_pb2
from allocator.machines.v1 import machine_pb2

import allocation_svc.composition
import allocation_svc.settings
from allocation_svc.adapters.allocation_store.document import allocation_of, document_of
from allocation_svc.domain.allocation import State
from allocation_svc.schema.tables import ALLOCATIONS
from benchmarks.figures import Figure
from benchmarks.running import free_port  # noqa: F401 - makes the tests' modules importable
from chassis.clock import SystemClock
from chassis.identity import Caller
from chassis.rpc import Call
from chassis.sql import open_database
from tests.composed import Composed, begin_service

LIVE = 10_000
FEW = 100
ROUNDS = 5
DECISIONS = 60
AT_ONCE = 16
SWEEPS = 5
SWEEP_SECONDS = 1.0
SERVICE = "allocator.allocations.v1.AllocationService"
# Who has no quota, so that the one who rents ten thousand is the one who is measured.
ADMIN = Caller(user="users/admin", token="admin", verified=True, roles=frozenset({"ADMIN"}))


def run() -> list[Figure]:
    # A line for each call of a stand-in would be most of what is measured.
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)
    return asyncio.run(measured())


async def measured() -> list[Figure]:
    async with AsyncExitStack() as exits:
        scratch = Path(exits.enter_context(tempfile.TemporaryDirectory()))
        few, many = [await begun(scratch / name, exits) for name in ("few", "many")]
        await few.rent(FEW)
        await many.rent(LIVE)
        rates: list[tuple[float, float]] = []
        for turn in range(ROUNDS):
            order = (few, many) if turn % 2 else (many, few)
            found = {id(one): await one.rent(DECISIONS) for one in order}
            rates.append((found[id(many)], found[id(few)]))
        seconds = await many.sweep_seconds()
    ratio = median(ours / yard for ours, yard in rates)
    ours, yard = (median(column) for column in zip(*rates, strict=True))
    detail = f"{ours:.0f}/s against {yard:.0f}/s, {AT_ONCE} at a time"
    return [
        Figure(
            f"admissions with {LIVE} live allocations",
            f"with {FEW}",
            ratio,
            "≥ 0.9",
            "×",
            detail,
        ),
        Figure(
            "the same, embedded",
            "",
            ours,
            "≥ 300",
            "/s",
            "the machine is asked for over gRPC each time",
        ),
        Figure(
            f"a sweep of {LIVE} allocations with nothing to do",
            "",
            median(seconds),
            "< 1",
            "s of CPU",
            f"{min(seconds):.2f} to {max(seconds):.2f} s; both ends of the call that lists instances",
        ),
    ]


class Measured:
    """allocation_svc as it is composed; its peers answer from memory."""

    def __init__(self, composed: Composed, engine: Engine, folder: Path) -> None:
        self.composed = composed
        self.engine = engine
        self.folder = folder
        self.names: list[str] = []

    async def rent(self, count: int) -> float:
        """Rents several; how many a second."""
        servicer = self.composed.service.servicers[SERVICE]
        method = self.composed.chain.find(f"/{SERVICE}/CreateAllocation")
        assert method is not None
        request = allocation_service_pb2.CreateAllocationRequest(
            allocation=allocation_pb2.Allocation(machine="machines/redis")
        )
        left = iter(range(count))

        async def one_after_another() -> None:
            for _ in left:
                call = Call(method, {}, "benchmark", math.inf, caller=ADMIN)
                rented = await servicer.CreateAllocation(request, call)
                self.names.append(rented.name)

        began = time.perf_counter()
        await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))
        return count / (time.perf_counter() - began)

    async def sweep_seconds(self) -> list[float]:
        """The processor's time of each of several sweeps that find nothing to do."""
        await self._all_ready()
        self.engine.shows(self.names)
        self.composed.begin("engine_watch", "reconciler")
        # The first sweep reads everything once; the process has read nothing before.
        await self.engine.listed_again()
        await asyncio.sleep(3 * SWEEP_SECONDS)
        seconds = []
        for _ in range(SWEEPS):
            await self.engine.listed_again()
            began = time.process_time()
            await self.engine.listed_again()
            seconds.append(time.process_time() - began)
        return seconds

    async def _all_ready(self) -> None:
        """Writes down that all of them run, as ten thousand reconciliations would have."""
        database = await open_database(
            f"sqlite:///{self.folder}/allocations.sqlite3", "allocation_svc.schema", SystemClock()
        )

        def work(connection: Any) -> None:
            rows = connection.execute(ALLOCATIONS.select()).all()
            for row in rows:
                running = allocation_of(row.document).moved(State.READY, row.create_time)
                document = document_of(replace(running, incarnation=1))
                connection.execute(
                    ALLOCATIONS.update()
                    .where(ALLOCATIONS.c.name == row.name)
                    .values(state="READY", document=document)
                )

        try:
            await database.write(work)
        finally:
            await database.close()


async def begun(folder: Path, exits: AsyncExitStack) -> Measured:
    folder.mkdir()
    engine = Engine()
    composed = await begin_service(
        allocation_svc.composition.compose,
        allocation_svc.settings.Settings,
        {
            "ALLOCATOR_ALLOCATION_PORT_RANGE": "10000-60000",
            "ALLOCATOR_ALLOCATION_SWEEP_SECONDS": str(SWEEP_SECONDS),
        },
        folder,
        exits,
        stand_ins={
            "allocator.containers.v1.ContainerService": engine,
            "allocator.machines.v1.MachineService": Catalogue(),
        },
        people=(ADMIN,),
    )
    return Measured(composed, engine, folder)


class StandIn:
    """What is not asked here is not answered."""

    def __getattr__(self, name: str) -> Any:
        if not name[0].isupper():
            raise AttributeError(name)

        async def nothing(request: object, call: object) -> None:
            raise NotImplementedError(name)

        return nothing


class Catalogue(StandIn):
    """Has one machine."""

    async def GetMachine(self, request: object, call: object) -> machine_pb2.Machine:
        return machine_pb2.Machine(
            name="machines/redis",
            title="Redis",
            version=1,
            state=machine_pb2.Machine.ACTIVE,
            image="redis:7-alpine",
            ports=[machine_pb2.Port(number=6379, protocol=machine_pb2.Port.TCP)],
            resource_class="nano",
        )


class Engine(StandIn):
    """A node without an end, on which everything runs that it was told of."""

    def __init__(self) -> None:
        self.listing = container_service_pb2.ListInstancesResponse()
        self.shown: dict[str, instance_pb2.Instance] = {}
        self.asked = asyncio.Event()

    def shows(self, names: list[str]) -> None:
        for name in names:
            instance = self.listing.instances.add(
                allocation=name,
                generation=1,
                incarnation=1,
                state=instance_pb2.Instance.READY,
                instance_name=f"allocator-7f3k2m9q-{name.rpartition('/')[2]}-1",
                runtime="docker",
                image="redis:7-alpine",
                node="here",
            )
            self.shown[name] = instance
            instance.start_time.GetCurrentTime()
            instance.observe_time.GetCurrentTime()

    async def listed_again(self) -> None:
        """Waits for the next time that somebody lists the instances: a sweep has begun."""
        self.asked.clear()
        async with asyncio.timeout(120):
            await self.asked.wait()

    async def GetNode(self, request: object, call: object) -> instance_pb2.Node:
        return instance_pb2.Node(
            name="here", runtime="docker", public_host="127.0.0.1", runs_images=True
        )

    async def GetInstance(
        self, request: container_service_pb2.GetInstanceRequest, call: object
    ) -> instance_pb2.Instance:
        return self.shown[request.allocation]

    async def ListInstances(
        self, request: object, call: object
    ) -> container_service_pb2.ListInstancesResponse:
        self.asked.set()
        return self.listing

    async def WatchInstances(
        self, request: object, call: object
    ) -> AsyncIterator[container_service_pb2.InstanceEvent]:
        yield container_service_pb2.InstanceEvent(engine_available=True)
        while True:
            await asyncio.sleep(10)
            yield container_service_pb2.InstanceEvent()
