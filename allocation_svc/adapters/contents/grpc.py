"""What allocations hold, asked of docker_svc."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, cast

import grpc
from allocator.containers.v1 import (
    container_service_pb2,
    container_service_pb2_grpc,
    log_pb2,
    volume_pb2,
)

from allocation_svc.ports.contents import Held
from chassis.clock import truncated
from chassis.clock.instants import rfc3339
from chassis.faults import NotFound
from chassis.rpc import ask, follow, send

_LINES = 2000


class GrpcContents:
    """Asks docker_svc."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        call_seconds: float = 30.0,
        measure_seconds: float = 600.0,
    ) -> None:
        """Asks over a channel.

        Args:
            channel: to docker_svc.
            call_seconds: how long a call may take.
            measure_seconds: how long measuring may take, and removing.
        """
        self._stub = container_service_pb2_grpc.ContainerServiceStub(channel)
        self._seconds = call_seconds
        self._measure_seconds = measure_seconds

    async def volumes(self) -> Sequence[Held]:
        """Every volume that is ours."""
        request = volume_pb2.ListVolumesRequest()
        return _held((await ask(self._stub.ListVolumes, request, timeout=self._seconds)).volumes)

    async def measure(self, identities: Sequence[str]) -> Sequence[Held]:
        """Measures volumes now."""
        request = volume_pb2.MeasureVolumesRequest(volumes=identities)
        answer = await ask(self._stub.MeasureVolumes, request, timeout=self._measure_seconds)
        return _held(answer.volumes)

    async def remove(self, identity: str) -> None:
        """Removes a volume."""
        request = volume_pb2.RemoveVolumeRequest(volume=identity)
        await ask(self._stub.RemoveVolume, request, timeout=self._measure_seconds)

    async def export(self, identity: str) -> AsyncGenerator[bytes, None]:
        """What is in a volume, as a tar archive."""
        request = volume_pb2.ExportVolumeRequest(volume=identity)
        stream = cast("AsyncGenerator[Any]", follow(self._stub.ExportVolume, request))
        async with aclosing(stream) as pieces:
            async for piece in pieces:
                yield piece.data

    async def fill(self, identity: str, max_bytes: int, archive: AsyncIterator[bytes]) -> int:
        """Makes a volume of a tar archive."""

        async def requests() -> AsyncGenerator[volume_pb2.ImportVolumeRequest, None]:
            yield volume_pb2.ImportVolumeRequest(volume=identity, max_bytes=max_bytes)
            async for piece in archive:
                yield volume_pb2.ImportVolumeRequest(data=piece)

        async with aclosing(requests()) as sent:
            answer = await send(self._stub.ImportVolume, sent)
        return int(answer.size_bytes)

    async def log(self, allocation: str) -> AsyncGenerator[bytes, None]:
        """The log of an allocation, a page at a time."""
        cursor, last = 0, None
        while last is None or cursor <= last:
            request = container_service_pb2.ReadLogRequest(
                allocation=allocation, cursor=cursor, max_lines=_LINES
            )
            try:
                answer = await ask(self._stub.ReadLog, request, timeout=self._seconds)
            except NotFound:
                return
            if last is None:
                # What is written meanwhile is not waited for.
                last = answer.last_seq
            yield b"".join(_text(record) for record in answer.records)
            if answer.next_cursor <= cursor:
                return
            cursor = answer.next_cursor


def _held(messages: Iterable[volume_pb2.HeldVolume]) -> list[Held]:
    return [
        Held(
            one.volume,
            one.size_bytes,
            truncated(one.measure_time.ToDatetime(tzinfo=UTC))
            if one.HasField("measure_time")
            else None,
        )
        for one in messages
    ]


def _text(record: log_pb2.LogRecord) -> bytes:
    """A record in lines."""
    if record.WhichOneof("record") != "batch":
        gap = record.gap
        return b"[lines %d to %d are not kept]\n" % (gap.first_seq, gap.last_seq)
    batch = record.batch
    if not batch.times:
        return b""
    lines = batch.text.split(b"\n")
    return b"".join(
        b"%b %b\n" % (_time(nanoseconds), line)
        for nanoseconds, line in zip(batch.times, lines, strict=False)
    )


def _time(nanoseconds: int) -> bytes:
    return rfc3339(datetime.fromtimestamp(nanoseconds // 1_000_000 / 1000, UTC)).encode()
