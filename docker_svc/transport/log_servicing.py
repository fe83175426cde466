"""The methods of `ContainerService` that hand logs out."""

from __future__ import annotations

from collections.abc import AsyncIterator

from allocator.containers.v1 import container_service_pb2, log_pb2

from chassis.rpc import Call
from docker_svc.usecases.duty import Duty


class LogServicing:
    """ReadLog and FollowLog, for the servicer to inherit.

    Args:
        duty: where logs are found.
    """

    def __init__(self, duty: Duty) -> None:
        self._duty = duty

    async def ReadLog(
        self, request: container_service_pb2.ReadLogRequest, call: Call
    ) -> container_service_pb2.ReadLogResponse:
        """A page of a log."""
        del call
        with self._duty.working() as work:
            page = await work.logs.read(request.allocation, request.cursor, request.max_lines)
        return container_service_pb2.ReadLogResponse(
            records=[log_pb2.LogRecord.FromString(entry.payload) for entry in page.entries],
            first_seq=page.first,
            last_seq=page.last,
            next_cursor=page.next_cursor,
        )

    async def FollowLog(
        self, request: container_service_pb2.FollowLogRequest, call: Call
    ) -> AsyncIterator[bytes]:
        """A log, from a cursor on: the bytes of the journal, which are those of the contract."""
        del call
        with self._duty.working() as work, work.followers.following(request.allocation):
            async for entry in work.logs.follow(request.allocation, request.cursor):
                yield entry.payload
