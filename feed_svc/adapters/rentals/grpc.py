"""Who has rented what, asked of the directory."""

from __future__ import annotations

import grpc
from allocator.directory.v1 import directory_service_pb2, directory_service_pb2_grpc

from chassis.faults import NotFound
from chassis.rpc import ask


class GrpcRentals:
    """Asks the broker, whose directory keeps deleted allocations as well."""

    def __init__(self, channel: grpc.aio.Channel, call_seconds: float) -> None:
        """Asks over a channel, and waits so many seconds for an answer."""
        self._stub = directory_service_pb2_grpc.DirectoryServiceStub(channel)
        self._seconds = call_seconds

    async def has_rented(self, person: str, machine: str) -> bool:
        """Whether a person has, or once had, an allocation of a machine."""
        request = directory_service_pb2.ListAllocationsRequest(
            owner=person, machine=machine, page_size=1
        )
        answer = await ask(self._stub.ListAllocations, request, timeout=self._seconds)
        return bool(answer.entries)

    async def machine_of(self, person: str, allocation: str) -> str | None:
        """The machine of a person's own allocation."""
        request = directory_service_pb2.GetAllocationRequest(name=allocation)
        try:
            answer = await ask(self._stub.GetAllocation, request, timeout=self._seconds)
        except NotFound:
            return None
        found = answer.allocation
        return found.machine if found.owner == person else None
