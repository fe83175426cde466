"""DirectoryService: from the wire to the use case and back."""

from __future__ import annotations

from allocator.directory.v1 import directory_service_pb2

from broker.domain.entry import Kind
from broker.transport.mapping import allocation_response, machine_response, user_response
from broker.usecases.directory import Directory
from chassis.clock import Clock
from chassis.listing import next_token, page_of
from chassis.rpc import Call


class DirectoryServicer:
    """Serves `allocator.directory.v1.DirectoryService`."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        """Serves this use case.

        Args:
            directory: what is known.
            clock: tells how old it is.
        """
        self._directory = directory
        self._clock = clock

    async def GetUser(
        self, request: directory_service_pb2.GetUserRequest, call: Call
    ) -> directory_service_pb2.GetUserResponse:
        """Reads a person's entry."""
        entry = await self._directory.find(Kind.USER, request.name, request.min_version)
        return user_response(entry, self._clock.now())

    async def GetMachine(
        self, request: directory_service_pb2.GetMachineRequest, call: Call
    ) -> directory_service_pb2.GetMachineResponse:
        """Reads a machine's entry."""
        entry = await self._directory.find(Kind.MACHINE, request.name, request.min_version)
        return machine_response(entry, self._clock.now())

    async def GetAllocation(
        self, request: directory_service_pb2.GetAllocationRequest, call: Call
    ) -> directory_service_pb2.GetAllocationResponse:
        """Reads an allocation's entry."""
        entry = await self._directory.find(Kind.ALLOCATION, request.name, request.min_version)
        return allocation_response(entry, self._clock.now())

    async def ListAllocations(
        self, request: directory_service_pb2.ListAllocationsRequest, call: Call
    ) -> directory_service_pb2.ListAllocationsResponse:
        """Lists the allocations of a person or of a machine, by name."""
        bound = ("directory", request.owner, request.machine)
        page = page_of(request.page_size, request.page_token, *bound, key=[str])
        after = page.after[0] if page.after else ""
        found = await self._directory.allocations(
            request.owner, request.machine, after, page.size + 1
        )
        shown = found[: page.size]
        now = self._clock.now()
        return directory_service_pb2.ListAllocationsResponse(
            entries=[allocation_response(entry, now) for entry in shown],
            next_page_token=next_token([shown[-1].name], *bound) if len(found) > page.size else "",
        )
