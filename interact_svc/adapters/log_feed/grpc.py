"""LogFeed over gRPC."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
from allocator.containers.v1 import container_service_pb2, container_service_pb2_grpc, log_pb2

from chassis.faults import NotFound, Unavailable
from chassis.rpc import ask, follow
from interact_svc.domain.frames import Chunk, Measure
from interact_svc.ports import Page

_ASK_SECONDS = 10.0
_PATIENCE_SECONDS = 3.0
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 0.4
_NO_LOG_YET = "LOG_NOT_FOUND"
_CUT = 128
_LETTERS = bytes(ord("e") if byte & 0x7F == 2 else ord("o") for byte in range(256))


class GrpcLogFeed:
    """Asks docker_svc."""

    def __init__(
        self, channel: grpc.aio.Channel, *, patience_seconds: float = _PATIENCE_SECONDS
    ) -> None:
        """Keeps the channel to docker_svc.

        Args:
            channel: to its replicas.
            patience_seconds: how long a read is tried again while none of them answers: one takes
                over from another within a second.
        """
        self._stub = container_service_pb2_grpc.ContainerServiceStub(channel)
        self._patience = patience_seconds

    async def read(self, allocation: str, cursor: int, max_lines: int) -> Page:
        """As the port says."""
        request = container_service_pb2.ReadLogRequest(
            allocation=allocation, cursor=cursor, max_lines=max_lines
        )
        try:
            page = await self._page(request)
        except NotFound as fault:
            if fault.reason != _NO_LOG_YET:
                raise
            return Page([], 0, 0, max(cursor, 1))
        chunks = [chunk_of(record) for record in page.records]
        return Page(chunks, page.first_seq, page.last_seq, page.next_cursor)

    async def _page(
        self, request: container_service_pb2.ReadLogRequest
    ) -> container_service_pb2.ReadLogResponse:
        until = time.monotonic() + self._patience
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                page: container_service_pb2.ReadLogResponse = await ask(
                    self._stub.ReadLog, request, timeout=_ASK_SECONDS
                )
            except Unavailable:
                if time.monotonic() + pause > until:
                    raise
                await asyncio.sleep(pause)
                pause = min(1.5 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                return page

    async def follow(self, allocation: str, cursor: int) -> AsyncIterator[Chunk]:
        """As the port says."""
        request = container_service_pb2.FollowLogRequest(allocation=allocation, cursor=cursor)
        async for record in follow(self._stub.FollowLog, request):
            yield chunk_of(record)

    async def measure(self, allocation: str) -> AsyncIterator[Measure]:
        """As the port says."""
        request = container_service_pb2.FollowStatsRequest(allocation=allocation)
        async for stats in follow(self._stub.FollowStats, request):
            yield Measure(wire=stats.SerializeToString())


def chunk_of(record: log_pb2.LogRecord) -> Chunk:
    """The chunk that a record holds."""
    if record.HasField("gap"):
        gap = record.gap
        cause = log_pb2.LogGap.Cause.Name(gap.cause)
        return Chunk(first=gap.first_seq, last=gap.last_seq, gap=cause)
    batch = record.batch
    texts = batch.text.decode("utf-8", "replace").split("\n")
    streams = batch.streams
    return Chunk(
        first=batch.first_seq,
        last=batch.first_seq + len(texts) - 1,
        # By an integer: the quotient is rounded once, not the nanoseconds before it.
        times=[nanoseconds / 1_000_000 for nanoseconds in batch.times],
        texts=texts,
        streams=streams.translate(_LETTERS).decode("ascii"),
        truncated=[place for place, byte in enumerate(streams) if byte & _CUT]
        if max(streams, default=0) & _CUT
        else (),
        generation=batch.generation,
        incarnation=batch.incarnation,
        size=len(batch.text) + 16 * len(texts),
    )
