"""What is in the volumes of containers: carried in and out by containers that never run.

The engine hands out and takes archives of containers, also of ones that were never started. So a
container of an image without anything in it, with the volume as its only folder, gives access to a
volume whoever has it, on whatever host the engine is, and runs nothing. While it fills a new volume its
label says so: one that is found by a later process takes its half-filled volume with it.
"""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

import aiohttp
from aiodocker import Docker
from aiodocker.exceptions import DockerError

from docker_svc.adapters.container_runtime.docker_config import (
    CARRIED,
    LABEL_CARRIED,
    LABEL_CARRIER,
    LABEL_INSTALLATION,
    LABEL_VOLUME,
    ContainerPolicy,
    volume_name,
    volume_of,
)
from docker_svc.adapters.container_runtime.docker_engine import asked, start_fault, told
from docker_svc.domain import ArchiveInvalid, EngineUnavailable, VolumeInUse, VolumeNotFound
from docker_svc.domain.tar_stream import TarPacking, TarPart, TarReading

_SHORT = 30.0
_LONG = 120.0
_MEASURE_SECONDS = 600.0
_STALL_SECONDS = 120.0
_PIECE = 256 << 10
_TRIES = 20
_IMAGE = "allocator/empty:1"


class CarriedVolumes:
    """The volumes of this installation on an engine.

    Args:
        docker: the engine.
        policy: for names and labels.
    """

    def __init__(self, docker: Docker, policy: ContainerPolicy) -> None:
        self._docker = docker
        self._policy = policy
        self._tidied = False
        self._carrying: set[str] = set()

    async def names(self) -> list[str]:
        """Asks the engine for volumes with our labels; removes first what a former process left half."""
        if not self._tidied:
            await self._tidy()
            self._tidied = True
        wanted = [f"{LABEL_INSTALLATION}={self._policy.installation}", LABEL_VOLUME]
        async with told(_SHORT):
            found = await self._docker.volumes.list(  # type: ignore[no-untyped-call]
                filters={"label": wanted}
            )
        names = (volume_of(row["Name"]) for row in found["Volumes"] or ())
        return [name for name in names if name and name not in self._carrying]

    async def measure(self, volumes: Sequence[str] = ()) -> Mapping[str, int]:
        """Has the engine measure; it knows no way to measure some of its volumes only."""
        ours = set(await self.names())
        async with told(_MEASURE_SECONDS):
            found = await self._docker._query_json(  # noqa: SLF001 - the client has no method for it
                "system/df", params={"type": "volume"}
            )
        sizes = {
            volume_of(row["Name"]): int((row.get("UsageData") or {}).get("Size", -1))
            for row in found.get("Volumes") or ()
        }
        wanted = ours.intersection(volumes) if volumes else ours
        return {name: size for name, size in sizes.items() if name in wanted and size >= 0}

    async def remove(self, volume: str) -> None:
        """Removes a volume, once no container has it any more."""
        if await self._shown(volume) is None:
            return
        for _ in range(_TRIES):
            try:
                async with asked(_LONG):
                    found = await self._docker.volumes.get(volume_name(volume))  # type: ignore[no-untyped-call]
                    await found.delete()
            except DockerError as error:
                if error.status == 404:
                    return
                if error.status != 409:
                    break
                await asyncio.sleep(0.1)
            else:
                return
        raise EngineUnavailable(
            "The engine could not remove a volume; it is tried again.", retry_after=1.0
        )

    async def export(self, volume: str) -> AsyncGenerator[TarPart, None]:
        """The engine's archive of the volume's folder in a container that carries it."""
        if await self._shown(volume) is None or volume in self._carrying:
            raise VolumeNotFound(f"There is no volume {volume}.", volume=volume)
        reading = TarReading()
        async with (
            self._carrier(volume, fills=False) as identity,
            aclosing(self._archive(identity)) as pieces,
        ):
            async for piece in pieces:
                for part in reading.feed(piece):
                    if isinstance(part, tarfile.TarInfo):
                        part.name = _below(part.name)
                        if part.islnk():
                            part.linkname = _below(part.linkname)
                    yield part
        reading.end()

    async def _archive(self, identity: str) -> AsyncGenerator[bytes, None]:
        query = self._docker._query(  # noqa: SLF001 - the client reads archives as a whole
            f"containers/{identity}/archive", params={"path": CARRIED}
        )
        async with AsyncExitStack() as exits:
            try:
                async with asked(_LONG):
                    response = await exits.enter_async_context(query)
            except DockerError as error:
                raise EngineUnavailable("The engine does not hand out a volume.") from error
            while True:
                async with asked(_STALL_SECONDS):
                    piece = await response.content.read(_PIECE)
                if not piece:
                    return
                yield piece

    async def fill(self, volume: str, parts: AsyncIterator[TarPart]) -> None:
        """Has the engine unpack an archive into a new volume."""
        if volume in self._carrying or await self._shown(volume) is not None:
            raise VolumeInUse(f"There is a volume {volume} already.", volume=volume)
        self._carrying.add(volume)
        try:
            async with self._carrier(volume, fills=True) as identity:
                await self._unpack(identity, parts)
        except BaseException:
            await _to_its_end(self._drop(volume))
            raise
        finally:
            self._carrying.discard(volume)

    async def _unpack(self, identity: str, parts: AsyncIterator[TarPart]) -> None:
        trouble: list[BaseException] = []

        async def packed() -> AsyncGenerator[bytes, None]:
            packing = TarPacking()
            try:
                async for part in parts:
                    yield packing.pack(part)
                yield packing.end()
            except BaseException as error:
                # The client would tell of it in words of its own.
                trouble.append(error)
                raise

        try:
            async with self._docker._query(  # noqa: SLF001 - the client sends archives as a whole
                f"containers/{identity}/archive",
                method="PUT",
                params={"path": CARRIED, "noOverwriteDirNonDir": "1"},
                data=packed(),
                headers={"Content-Type": "application/x-tar"},
            ) as response:
                await response.read()
        except DockerError as error:
            if trouble:
                raise trouble[0] from None
            if error.status in (400, 500) and "no space" not in error.message.lower():
                raise ArchiveInvalid(
                    "The archive cannot be unpacked: something in it does not fit what came before."
                ) from error
            raise EngineUnavailable("The engine does not fill a volume.", retry_after=30) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if trouble:
                raise trouble[0] from None
            raise EngineUnavailable(
                "The container engine does not answer.", retry_after=1.0
            ) from error

    @asynccontextmanager
    async def _carrier(self, volume: str, *, fills: bool) -> AsyncIterator[str]:
        """A container that has the volume, for as long as it is needed."""
        config = self._policy.carrier_config(await self._image(), volume, fills=fills)
        try:
            async with asked(_LONG):
                container = await self._docker.containers.create(config)
        except DockerError as error:
            raise start_fault(error) from error
        try:
            yield container.id
        finally:
            await _to_its_end(self._away(container.id))

    async def _image(self) -> str:
        """An image with nothing in it; the engine makes it of an empty archive."""
        try:
            async with asked(_SHORT):
                await self._docker.images.inspect(_IMAGE)
        except DockerError as error:
            if error.status != 404:
                raise EngineUnavailable("The engine cannot tell of an image.") from error
            empty = io.BytesIO()
            with tarfile.open(fileobj=empty, mode="w"):
                pass
            repository, _, tag = _IMAGE.partition(":")
            async with (
                told(_LONG),
                self._docker._query(  # noqa: SLF001 - the client has no method for it
                    "images/create",
                    method="POST",
                    params={"fromSrc": "-", "repo": repository, "tag": tag},
                    data=empty.getvalue(),
                    headers={"Content-Type": "application/x-tar"},
                ) as response,
            ):
                await response.read()
        return _IMAGE

    async def _away(self, identity: str) -> None:
        # Without `v`: the volume is no part of the container.
        try:
            async with asked(_LONG):
                await self._docker.containers.container(identity).delete(force=True)
        except DockerError as error:
            if error.status not in (404, 409):
                raise EngineUnavailable("The engine could not remove a container.") from error

    async def _drop(self, volume: str) -> None:
        """Removes a half-filled volume; where the engine is away, that is done later."""
        try:
            await self.remove(volume)
        except EngineUnavailable:
            self._tidied = False

    async def _tidy(self) -> None:
        """Removes containers that carried for a former process, and what they have filled by half."""
        wanted = [f"{LABEL_INSTALLATION}={self._policy.installation}", LABEL_CARRIER]
        async with told(_LONG):
            found = await self._docker.containers.list(
                all="true", filters=json.dumps({"label": wanted})
            )
        for container in found:
            row: dict[str, Any] = container._container  # noqa: SLF001 - its only way out
            volume = row["Labels"].get(LABEL_CARRIED, "")
            if volume in self._carrying:
                continue
            await self._away(row["Id"])
            if row["Labels"][LABEL_CARRIER] == "fills":
                await self.remove(volume)

    async def _shown(self, volume: str) -> dict[str, Any] | None:
        """What the engine says of a volume; None where there is none of ours."""
        try:
            async with asked(_SHORT):
                found = await self._docker.volumes.get(volume_name(volume))  # type: ignore[no-untyped-call]
                shown: dict[str, Any] = await found.show()
        except DockerError as error:
            if error.status == 404:
                return None
            raise EngineUnavailable("The engine cannot tell of a volume.") from error
        labels = shown["Labels"] or {}
        return shown if labels.get(LABEL_INSTALLATION) == self._policy.installation else None


def _below(name: str) -> str:
    """A name in the engine's archive, without the folder that the archive is of."""
    return name.partition("/")[2] or "."


async def _to_its_end(work: Any) -> None:
    """Runs what must not stop in the middle: a caller that is cancelled waits for its end."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise
