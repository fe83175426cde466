"""VolumeService: from the wire to the use cases and back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from allocator.allocations.v1 import volume_facts_pb2, volume_pb2, volume_service_pb2
from google.api import httpbody_pb2
from google.protobuf.message import Message

from allocation_svc.domain.volume import Volume, VolumeFact, VolumeState
from allocation_svc.usecases.volumes import UploadWish, Volumes
from chassis.bus import Record
from chassis.bus.facts import fact_records
from chassis.listing import chosen_fields, etag_of, version_of
from chassis.rpc import Call

_SOURCE = "allocation_svc"
_NOUN = "volumes"
_UPDATABLE = ("display_name", "size_limit_mib")
_STATES = {state: volume_pb2.Volume.State.Value(state.value) for state in VolumeState}
_FACTS: dict[VolumeFact, type[Message]] = {
    fact: getattr(volume_facts_pb2, fact.value) for fact in VolumeFact
}
_GONE = frozenset({VolumeFact.DELETED})


class VolumeServicer:
    """Serves `allocator.allocations.v1.VolumeService`."""

    def __init__(self, volumes: Volumes) -> None:
        """Passes calls on."""
        self._volumes = volumes

    async def ListVolumes(
        self, request: volume_service_pb2.ListVolumesRequest, call: Call
    ) -> volume_service_pb2.ListVolumesResponse:
        """Lists volumes, newest first."""
        found, token = await self._volumes.page(
            call.caller, request.parent, request.filter, request.page_size, request.page_token
        )
        return volume_service_pb2.ListVolumesResponse(
            volumes=map(message_of, found), next_page_token=token
        )

    async def GetVolume(
        self, request: volume_service_pb2.GetVolumeRequest, call: Call
    ) -> volume_pb2.Volume:
        """Reads one volume."""
        return message_of(await self._volumes.one(call.caller, request.name))

    async def UpdateVolume(
        self, request: volume_service_pb2.UpdateVolumeRequest, call: Call
    ) -> volume_pb2.Volume:
        """Changes the display name, and the limit for admins."""
        wanted = request.volume
        present = [field.name for field, _ in wanted.ListFields()]
        chosen = chosen_fields(list(request.update_mask.paths), present, _UPDATABLE)
        updated = await self._volumes.update(
            call.caller,
            wanted.name,
            version_of(wanted.etag),
            display_name=wanted.display_name if "display_name" in chosen else None,
            size_limit_mib=wanted.size_limit_mib if "size_limit_mib" in chosen else None,
        )
        return message_of(updated)

    async def DeleteVolume(
        self, request: volume_service_pb2.DeleteVolumeRequest, call: Call
    ) -> volume_pb2.Volume:
        """Has a detached volume removed."""
        version = version_of(request.etag)
        return message_of(await self._volumes.delete(call.caller, request.name, version))

    async def DownloadVolume(
        self, request: volume_service_pb2.DownloadVolumeRequest, call: Call
    ) -> AsyncIterator[httpbody_pb2.HttpBody]:
        """Streams what is in a volume."""
        gzip = request.compression == volume_service_pb2.DownloadVolumeRequest.GZIP
        volume, archive = await self._volumes.download(call.caller, request.name, gzip=gzip)
        file = f"{volume.identity}.tar{'.gz' if gzip else ''}"
        media_type = "application/gzip" if gzip else "application/x-tar"
        call.response_headers.extend(file_headers(file, volume.size_bytes))
        async with aclosing(archive) as pieces:
            async for piece in pieces:
                yield httpbody_pb2.HttpBody(content_type=media_type, data=piece)

    async def UploadVolume(
        self, requests: AsyncIterator[volume_service_pb2.UploadVolumeRequest], call: Call
    ) -> volume_pb2.Volume:
        """Makes a volume of an archive."""
        first = await anext(requests)
        wish = UploadWish(first.display_name, first.path, first.size_limit_mib)

        async def archive() -> AsyncGenerator[bytes, None]:
            yield first.archive.data
            async for request in requests:
                yield request.archive.data

        async with aclosing(archive()) as pieces:
            return message_of(await self._volumes.upload(call.caller, wish, pieces))


def file_headers(file: str, size: int) -> list[tuple[str, str]]:
    """What is said before the bytes of a file: its name, and how much there is in volumes."""
    return [
        ("content-disposition", f'attachment; filename="{file}"'),
        ("x-volume-bytes", str(size)),
    ]


def message_of(volume: Volume) -> volume_pb2.Volume:
    """A volume as people see it."""
    message = volume_pb2.Volume(
        name=volume.name,
        uid=volume.uid,
        owner=volume.owner,
        display_name=volume.display_name,
        machine=volume.machine,
        path=volume.path,
        size_limit_mib=volume.size_limit_mib,
        size_bytes=volume.size_bytes,
        allocation=volume.allocation,
        state=_STATES[volume.state],
        node=volume.node,
        etag=etag_of(volume.version),
    )
    message.create_time.FromDatetime(volume.create_time)
    message.update_time.FromDatetime(volume.update_time)
    if volume.measure_time is not None:
        message.measure_time.FromDatetime(volume.measure_time)
    return message


def volume_records(fact: VolumeFact | None, volume: Volume) -> Sequence[Record]:
    """What goes onto the bus: the fact, if there is one, and the volume as it is now."""
    resource = message_of(volume)
    told: Message = resource if fact is None else _FACTS[fact](volume=resource)
    records = fact_records(
        noun=_NOUN,
        source=_SOURCE,
        fact=told,
        resource=None if fact in _GONE else resource,
        key=volume.name,
        version=volume.version,
        now=volume.update_time,
    )
    return records[1:] if fact is None else records
