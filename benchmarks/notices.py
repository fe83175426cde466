"""From a fact's commit to the page of the person whom it concerns."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from allocator.allocations.v1 import (
    allocation_pb2,
    allocation_service_pb2,
    allocation_service_pb2_grpc,
)
from allocator.notifications.v1 import (
    notification_service_pb2,
    notification_service_pb2_grpc,
)

from benchmarks.figures import Figure, percentile
from benchmarks.running import Visitor, allocator

CYCLES = 60
PATIENCE = 60.0


def run() -> list[Figure]:
    """Measures an allocator in one process."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        allocator(Path(scratch) / "data") as running,
    ):
        return asyncio.run(measure(running, "notices@example.org"))


async def measure(running: Visitor, email: str, *, where: str = "") -> list[Figure]:
    """Stops and starts an allocation, and sees when its owner's stream tells of it.

    Args:
        running: the allocator; its clock is this machine's.
        email: of the owner.
        where: for the name of the figure.
    """
    token = await asyncio.to_thread(running.person, email)
    metadata = (("authorization", f"Bearer {token}"),)
    took: list[float] = []
    async with running.aio_channel() as channel:
        rents = allocation_service_pb2_grpc.AllocationServiceStub(channel)
        inbox = notification_service_pb2_grpc.NotificationServiceStub(channel)
        stream = inbox.WatchNotifications(
            notification_service_pb2.WatchNotificationsRequest(), metadata=metadata
        )
        await stream.read()

        async def told(kind: str) -> None:
            async with asyncio.timeout(PATIENCE):
                while True:
                    seen: Any = await stream.read()
                    now = time.time()
                    if seen.notification.kind == kind:
                        took.append(now - seen.notification.event_time.ToNanoseconds() / 1e9)
                        return

        rented = await rents.CreateAllocation(
            allocation_service_pb2.CreateAllocationRequest(
                allocation=allocation_pb2.Allocation(
                    machine="machines/echo",
                    variables=[allocation_pb2.VariableValue(key="GREETING", value="hello")],
                )
            ),
            metadata=metadata,
        )
        await told("ALLOCATION_READY")
        for _ in range(CYCLES):
            stop = allocation_service_pb2.StopAllocationRequest(name=rented.name)
            await rents.StopAllocation(stop, metadata=metadata)
            await told("ALLOCATION_STOPPED")
            start = allocation_service_pb2.StartAllocationRequest(name=rented.name)
            await rents.StartAllocation(start, metadata=metadata)
            await told("ALLOCATION_READY")
        await rents.DeleteAllocation(
            allocation_service_pb2.DeleteAllocationRequest(name=rented.name), metadata=metadata
        )
        stream.cancel()
    return [
        Figure(
            f"fact to inbox, live push{where}, p99 of {len(took)}",
            "",
            percentile(took, 0.99) * 1000,
            "< 250",
            "ms",
            f"median {median(took) * 1000:.0f} ms",
        )
    ]
