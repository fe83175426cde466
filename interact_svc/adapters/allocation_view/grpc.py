"""AllocationView over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
from allocator.allocations.v1 import allocation_service_pb2, allocation_service_pb2_grpc

from chassis.rpc import ask, follow
from interact_svc.domain.frames import AllocationSnapshot

_ASK_SECONDS = 5.0


class GrpcAllocationView:
    """Asks allocation_svc; the channel adds the person's token where a person is served."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Keeps the channel to allocation_svc."""
        self._stub = allocation_service_pb2_grpc.AllocationServiceStub(channel)

    async def get(self, name: str) -> AllocationSnapshot:
        """As the port says."""
        request = allocation_service_pb2.GetAllocationRequest(name=name)
        found = await ask(self._stub.GetAllocation, request, timeout=_ASK_SECONDS)
        return AllocationSnapshot(name=found.name, wire=found.SerializeToString())

    async def watch(self, name: str) -> AsyncIterator[AllocationSnapshot]:
        """As the port says."""
        request = allocation_service_pb2.WatchAllocationsRequest(name=name)
        async for update in follow(self._stub.WatchAllocations, request):
            if update.HasField("allocation"):
                yield AllocationSnapshot(
                    name=update.allocation.name, wire=update.allocation.SerializeToString()
                )
