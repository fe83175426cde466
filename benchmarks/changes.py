"""How soon a watcher sees what has changed in the engine: a program ends, behind everybody's back."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiodocker
from allocator.allocations.v1 import (
    allocation_pb2,
    allocation_service_pb2,
    allocation_service_pb2_grpc,
)

from benchmarks.creating import PORT
from benchmarks.figures import Figure, percentile
from benchmarks.logs import container_of
from benchmarks.machines import publish
from benchmarks.running import Visitor, allocator

TIMES = 100
ENDS = {
    "TERM": "a program ends",
    "USR1": "a program is killed for lack of memory",
    "KILL": "a program is killed by hand",
}
# It writes a line, as programs do: the failure of one that never wrote waits longer for its log.
PROGRAM = f"""
trap "exit 1" TERM
trap "tail /dev/zero; exit 137" USR1
httpd -p {PORT}
echo listening
while :; do sleep 9 & wait $!; done
"""
PATIENCE = 60.0


def run() -> list[Figure]:
    with (
        tempfile.TemporaryDirectory() as scratch,
        allocator(Path(scratch) / "data", runtime="docker") as running,
    ):
        return asyncio.run(seen(running, running.person("changes@example.org")))


async def seen(
    running: Visitor, token: str, *, reach: float = 100.0, where: str = ", embedded"
) -> list[Figure]:
    """From the moment when the engine says that a program has ended until a watcher is told.

    By itself, for lack of memory, and killed by hand: of the last it is told that it was killed, and that it
    has failed once the engine has said that this was not to remove it.

    Args:
        running: the allocator.
        token: who rents.
        reach: what is allowed, in milliseconds.
        where: for the name of the figure.
    """
    metadata = (("authorization", f"Bearer {token}"),)
    publish(
        running,
        "talker",
        image="busybox:latest",
        command=["sh", "-c", PROGRAM],
        ports=[{"number": PORT}],
        resourceClass="small",
    )
    async with running.aio_channel() as channel, aiodocker.Docker() as engine:
        stub = allocation_service_pb2_grpc.AllocationServiceStub(channel)
        rented = await stub.CreateAllocation(
            allocation_service_pb2.CreateAllocationRequest(
                allocation=allocation_pb2.Allocation(machine="machines/talker")
            ),
            metadata=metadata,
        )
        ends = engine.events.subscribe()
        watching = stub.WatchAllocations(
            allocation_service_pb2.WatchAllocationsRequest(name=rented.name), metadata=metadata
        )
        delays: dict[str, list[float]] = {signal: [] for signal in ENDS}
        failures: dict[str, list[float]] = {signal: [] for signal in ENDS}
        try:
            async with asyncio.timeout(TIMES * PATIENCE):
                for signal in [*ENDS] * TIMES:
                    await until(watching, allocation_pb2.Allocation.READY)
                    container = await engine.containers.get(container_of(rented.name))
                    # The engine answers a kill once all is over; the watcher is told before.
                    telling = asyncio.create_task(
                        until(
                            watching,
                            allocation_pb2.Allocation.UNKNOWN,
                            allocation_pb2.Allocation.FAILED,
                        )
                    )
                    await container.kill(signal=signal)
                    told = await telling
                    end = await ended(ends, container.id)
                    delays[signal].append(told[0] - end)
                    if told[1] != allocation_pb2.Allocation.FAILED:
                        told = await until(watching, allocation_pb2.Allocation.FAILED)
                    failures[signal].append(told[0] - end)
                    await stub.StartAllocation(
                        allocation_service_pb2.StartAllocationRequest(name=rented.name),
                        metadata=metadata,
                    )
        finally:
            watching.cancel()
            await stub.DeleteAllocation(
                allocation_service_pb2.DeleteAllocationRequest(name=rented.name), metadata=metadata
            )
    print(f"changes: {TIMES} of each kind seen", file=sys.stderr)
    return [
        Figure(
            f"{what} in the engine until a watcher sees it{where}, p99",
            "",
            percentile(delays[signal], 0.99) * 1000,
            f"< {reach:.0f}",
            "ms",
            f"median {percentile(delays[signal], 0.5) * 1000:.0f} ms; FAILED, with the end of its log, "
            f"at p99 {percentile(failures[signal], 0.99) * 1000:.0f} ms",
        )
        for signal, what in ENDS.items()
    ]


async def until(watching: Any, *states: int) -> tuple[float, int]:
    """When the watcher is told of one of some states, as the system's clock has it, and of which."""
    async for update in watching:
        if update.allocation.state in states:
            return time.time(), update.allocation.state
    raise AssertionError("the stream has ended")


async def ended(ends: Any, container: str) -> float:
    """When a container has ended, as the engine says it."""
    while True:
        event = await ends.get()
        if event["Type"] == "container" and event["Action"] == "die" and event["id"] == container:
            return float(event["timeNano"]) / 1e9
