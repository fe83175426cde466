"""Creating until READY, against the same done directly on the engine."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import aiodocker
from allocator.allocations.v1 import (
    allocation_pb2,
    allocation_service_pb2,
    allocation_service_pb2_grpc,
)

from benchmarks.figures import Figure, percentile
from benchmarks.logs import container_of
from benchmarks.machines import publish
from benchmarks.running import Visitor, allocator

# Of thirty the p95 is the second slowest, a matter of chance: runs of one version differed by a quarter.
PAIRS = 90
RATES = 3
MANY = 200
AT_ONCE = 16
PORT = 8000
ROOM = {
    # One person, on one small machine, has all of them: what is measured is how fast, not how many.
    "ALLOCATOR_ALLOCATION_QUOTAS": '{"PERSON": {}}',
    "ALLOCATOR_ALLOCATION_CAPACITY_CPU_OVERCOMMIT": "0",
    "ALLOCATOR_ALLOCATION_CAPACITY_MEMORY_OVERCOMMIT": "0",
    "ALLOCATOR_ALLOCATION_CAPACITY_DISK_OVERCOMMIT": "0",
    # Released ports rest for a minute.
    "ALLOCATOR_ALLOCATION_PORT_RANGE": "20000-29999",
}

# In turn, and none that the kernel gives to a connection: what was free a moment ago may not be any more.
_PORTS = itertools.cycle(range(12_000, 16_000))


def run() -> list[Figure]:
    with (
        tempfile.TemporaryDirectory() as scratch,
        allocator(Path(scratch) / "data", runtime="docker", **ROOM) as running,
    ):
        publish(
            running,
            "httpd",
            image="busybox:latest",
            command=["httpd", "-f", "-p", str(PORT)],
            ports=[{"number": PORT}],
            resourceClass="small",
        )
        token = running.person("creating@example.org")
        return asyncio.run(compare(running, token))


async def compare(
    running: Visitor, token: str, *, reach: float = 1.10, where: str = "", rates: bool = True
) -> list[Figure]:
    """Creates in turn with us and with the engine.

    Args:
        running: the allocator.
        token: who rents.
        reach: what is allowed, as a ratio.
        where: for the names of the figures.
        rates: whether to measure several at a time too.
    """
    metadata = (("authorization", f"Bearer {token}"),)
    async with (
        running.aio_channel() as channel,
        aiodocker.Docker() as engine,
    ):
        stub = allocation_service_pb2_grpc.AllocationServiceStub(channel)
        renting = Renting(stub, metadata)
        await renting.one()
        sample = await stub.ListAllocations(
            allocation_service_pb2.ListAllocationsRequest(), metadata=metadata
        )
        direct = Direct(engine, await config_of(engine, sample.allocations[0].name))
        await renting.clear()
        await direct.one()
        await direct.clear()
        ours, yard = [], []
        for number in range(PAIRS):
            for measured, work in ((ours, renting), (yard, direct))[:: 1 if number % 2 else -1]:
                measured.append(await work.one())
                await work.clear()
        pairs = [(await rate(renting), await rate(direct)) for _ in range(RATES)] if rates else []
    middle = median(ours) / median(yard)
    slowest = percentile(ours, 0.95) / percentile(yard, 0.95)
    figures = [
        Figure(
            f"create until READY{where}, median of {PAIRS} pairs",
            "the engine directly",
            middle,
            f"≤ {reach}",
            "×",
            f"{median(ours) * 1000:.0f} against {median(yard) * 1000:.0f} ms",
        ),
        Figure(
            f"create until READY{where}, p95",
            "the engine directly",
            slowest,
            f"≤ {reach}",
            "×",
            f"{percentile(ours, 0.95) * 1000:.0f} against {percentile(yard, 0.95) * 1000:.0f} ms",
        ),
    ]
    if pairs:
        # Of runs beside each other: the machine itself is a quarter quicker at one time than at another.
        pairs.sort(key=lambda pair: pair[0] / pair[1])
        rated, yard_rated = pairs[RATES // 2]
        ratios = ", ".join(f"{one / other:.2f}" for one, other in pairs)
        figures.append(
            Figure(
                f"{MANY} creates, {AT_ONCE} at a time, median of {RATES} pairs",
                "the engine directly",
                rated / yard_rated,
                "≥ 0.9",
                "×",
                f"{rated:.2f}/s against {yard_rated:.2f}/s; {ratios}",
            )
        )
    return figures


async def rate(work: Renting | Direct) -> float:
    """Creates per second, several at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with gate:
            await work.one()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(MANY)))
    took = time.perf_counter() - began
    await work.clear()
    return MANY / took


class Renting:
    """Ours: rent, and watch until READY."""

    def __init__(self, stub: Any, metadata: Any) -> None:
        self.stub = stub
        self.metadata = metadata
        self.names: list[str] = []

    async def one(self) -> float:
        began = time.perf_counter()
        rented = await self.stub.CreateAllocation(
            allocation_service_pb2.CreateAllocationRequest(
                allocation=allocation_pb2.Allocation(machine="machines/httpd")
            ),
            metadata=self.metadata,
        )
        self.names.append(rented.name)
        watching = self.stub.WatchAllocations(
            allocation_service_pb2.WatchAllocationsRequest(name=rented.name),
            metadata=self.metadata,
        )
        async for update in watching:
            state = update.allocation.state
            assert state != allocation_pb2.Allocation.FAILED, update
            if state == allocation_pb2.Allocation.READY:
                break
        took = time.perf_counter() - began
        watching.cancel()
        return took

    async def clear(self) -> None:
        for name in self.names:
            request = allocation_service_pb2.DeleteAllocationRequest(name=name)
            await self.stub.DeleteAllocation(request, metadata=self.metadata)
        for name in self.names:
            watching = self.stub.WatchAllocations(
                allocation_service_pb2.WatchAllocationsRequest(name=name), metadata=self.metadata
            )
            async for update in watching:
                if update.allocation.state == allocation_pb2.Allocation.DELETED:
                    break
            watching.cancel()
        self.names.clear()


class Direct:
    """The yardstick: create, start, and the same probe, with the same configuration."""

    def __init__(self, engine: aiodocker.Docker, config: dict[str, Any]) -> None:
        self.engine = engine
        self.config = config
        self.made: list[Any] = []

    async def one(self) -> float:
        port = next(_PORTS)
        bindings = {f"{PORT}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}
        host = {**self.config["HostConfig"], "PortBindings": bindings}
        began = time.perf_counter()
        container = await self.engine.containers.create({**self.config, "HostConfig": host})
        self.made.append(container)
        await container.start()
        shown = await container.show()
        networks = shown["NetworkSettings"]["Networks"].values()
        address = next(one["IPAddress"] for one in networks)
        pause = 0.001
        while not await accepts(address):
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.05)
        return time.perf_counter() - began

    async def clear(self) -> None:
        for container in self.made:
            await container.delete(force=True, v=True)
        self.made.clear()


async def accepts(address: str) -> bool:
    try:
        _, writer = await asyncio.open_connection(address, PORT)
    except OSError:
        return False
    writer.close()
    return True


async def config_of(engine: aiodocker.Docker, name: str) -> dict[str, Any]:
    """How our own container is configured, to make the same without us."""
    shown = await (await engine.containers.get(container_of(name))).show()
    wanted = (
        "Init",
        "NetworkMode",
        "RestartPolicy",
        "CapDrop",
        "CapAdd",
        "SecurityOpt",
        "PidsLimit",
        "Memory",
        "MemorySwap",
        "NanoCpus",
        "LogConfig",
    )
    return {
        "Image": shown["Config"]["Image"],
        "Cmd": shown["Config"]["Cmd"],
        "Env": shown["Config"]["Env"],
        "ExposedPorts": {f"{PORT}/tcp": {}},
        "HostConfig": {key: shown["HostConfig"][key] for key in wanted},
    }
