"""ConsoleService."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from allocator.consoles.v1 import console_service_pb2, frame_pb2

from chassis.faults import Fault
from chassis.identity.caller import Caller
from chassis.rpc import Call
from interact_svc.ports import LogFeed
from interact_svc.transport.mapping import FrameMapping, gap_message, line_filter, lines_of
from interact_svc.usecases.consoles import NEWEST_LINES, Consoles

_DEFAULT_PAGE = 1000
_MOST_LINES = 10_000


class ConsoleServicer:
    """Consoles over gRPC and server-sent events."""

    def __init__(
        self,
        consoles: Consoles,
        logs: LogFeed,
        mapping: FrameMapping,
        is_revoked: Callable[[Caller], Fault | None],
    ) -> None:
        """Keeps what it serves from."""
        self._consoles = consoles
        self._logs = logs
        self._mapping = mapping
        self._is_revoked = is_revoked

    async def FollowConsole(
        self, request: console_service_pb2.FollowConsoleRequest, call: Call
    ) -> AsyncIterator[frame_pb2.ServerFrame]:
        """As the contract says."""
        opened = self._consoles.open(request.name, call.caller, self._is_revoked)
        async with opened as console:
            console.narrow(line_filter(request.filter))
            console.resume(request.cursor if request.HasField("cursor") else NEWEST_LINES)
            async for frame in console.frames():
                yield self._mapping.message(frame)

    async def ListLines(
        self, request: console_service_pb2.ListLinesRequest, call: Call
    ) -> console_service_pb2.ListLinesResponse:
        """As the contract says."""
        await self._consoles.authorise(request.name)
        size = min(request.page_size or _DEFAULT_PAGE, _MOST_LINES)
        page = await self._logs.read(request.name, request.cursor, size)
        answer = console_service_pb2.ListLinesResponse(
            next_cursor=page.next, first_cursor=page.first, last_cursor=page.last
        )
        for chunk in page.chunks:
            if chunk.gap:
                answer.gaps.append(gap_message(chunk))
            else:
                answer.lines.extend(lines_of(chunk))
        return answer
