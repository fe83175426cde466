"""The methods of `ContainerService` that have to do with volumes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing

from allocator.containers.v1 import volume_pb2
from google.protobuf.empty_pb2 import Empty

from chassis.rpc import Call
from docker_svc.domain import HeldVolume
from docker_svc.usecases.duty import Duty


class VolumeServicing:
    """ListVolumes, MeasureVolumes, RemoveVolume, ExportVolume and ImportVolume, to inherit.

    Args:
        duty: where volumes are found.
    """

    def __init__(self, duty: Duty) -> None:
        self._duty = duty

    async def ListVolumes(
        self, request: volume_pb2.ListVolumesRequest, call: Call
    ) -> volume_pb2.ListVolumesResponse:
        """Every volume."""
        del request, call
        with self._duty.working() as work:
            found = await work.volumes.list_all()
        return volume_pb2.ListVolumesResponse(volumes=_messages(found))

    async def MeasureVolumes(
        self, request: volume_pb2.MeasureVolumesRequest, call: Call
    ) -> volume_pb2.MeasureVolumesResponse:
        """Measures volumes now."""
        del call
        with self._duty.working() as work:
            found = await work.volumes.measure(list(request.volumes))
        return volume_pb2.MeasureVolumesResponse(volumes=_messages(found))

    async def RemoveVolume(self, request: volume_pb2.RemoveVolumeRequest, call: Call) -> Empty:
        """Removes a volume."""
        del call
        with self._duty.working() as work:
            await work.volumes.remove(request.volume)
        return Empty()

    async def ExportVolume(
        self, request: volume_pb2.ExportVolumeRequest, call: Call
    ) -> AsyncIterator[volume_pb2.ExportVolumeResponse]:
        """What is in a volume, as a tar archive."""
        del call
        with self._duty.working() as work:
            async with aclosing(work.volumes.export(request.volume)) as pieces:
                async for piece in pieces:
                    yield volume_pb2.ExportVolumeResponse(data=piece)

    async def ImportVolume(
        self, requests: AsyncIterator[volume_pb2.ImportVolumeRequest], call: Call
    ) -> volume_pb2.ImportVolumeResponse:
        """Makes a volume from a tar archive."""
        del call
        first = await anext(requests)

        async def archive() -> AsyncGenerator[bytes, None]:
            yield first.data
            async for request in requests:
                yield request.data

        with self._duty.working() as work:
            async with aclosing(archive()) as pieces:
                size = await work.volumes.fill(first.volume, first.max_bytes, pieces)
        return volume_pb2.ImportVolumeResponse(size_bytes=size)


def _messages(found: Iterable[HeldVolume]) -> list[volume_pb2.HeldVolume]:
    messages = []
    for held in found:
        message = volume_pb2.HeldVolume(volume=held.volume, size_bytes=held.size_bytes)
        if held.measure_time is not None:
            message.measure_time.FromDatetime(held.measure_time)
        messages.append(message)
    return messages
