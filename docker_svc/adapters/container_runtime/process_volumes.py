"""The volumes of processes: folders beside those of instances."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path

from docker_svc.adapters.container_runtime.folder_parts import (
    FolderFilling,
    chown_all,
    folder_parts,
    in_thread,
    measured,
)
from docker_svc.adapters.container_runtime.process_folder import remove_folder
from docker_svc.domain import (
    EngineUnavailable,
    InstanceSpec,
    VolumeInUse,
    VolumeNotFound,
    volume_ids,
)
from docker_svc.domain.tar_stream import TarPart

_NAME = re.compile(r"([a-z0-9]{4,32})-volumes")
_NUMBER = re.compile(r"[1-9][0-9]?")
_BATCH_BYTES = 256 << 10
_BATCH_PARTS = 128


class VolumeFolders:
    """`<data folder>/instances/7f3k2m9q-volumes/1` for the volume `7f3k2m9q-v1`, and so on."""

    def __init__(self, root: Path) -> None:
        """Keeps the folder of the instances' folders."""
        self._root = root

    def folder(self, volume: str) -> Path:
        """Where a volume is, or would be."""
        identity, _, number = volume.rpartition("-v")
        return self._root / f"{identity}-volumes" / number

    def of(self, allocation: str, spec: InstanceSpec) -> list[tuple[Path, Path]]:
        """The folder of each volume of a spec, and where its program would have it."""
        folders = [self.folder(volume) for volume in volume_ids(allocation, spec.volumes)]
        return [(folder, folder) for folder in folders]

    def make(self, allocation: str, spec: InstanceSpec, uid: int) -> None:
        """Makes those that are not there, and gives all that is in the others to their user.

        Args:
            allocation: whose.
            spec: which.
            uid: who owns them; 0 for the present user.

        Raises:
            OSError: they cannot be made.
        """
        for volume in volume_ids(allocation, spec.volumes):
            folder = self.folder(volume)
            folder.parent.mkdir(mode=0o711, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            if uid and folder.stat().st_uid != uid:
                chown_all(folder, uid)

    def owner(self, allocation: str, spec: InstanceSpec) -> int:
        """The user who has the volumes of a spec; 0 where it has none yet."""
        owners = (self._owner(volume) for volume in volume_ids(allocation, spec.volumes))
        return next((owner for owner in owners if owner), 0)

    def owners(self) -> set[int]:
        """The users who have volumes, also while no instance runs."""
        return {self._owner(volume) for volume in self._all()}

    def _owner(self, volume: str) -> int:
        try:
            return self.folder(volume).stat().st_uid
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def _all(self) -> list[str]:
        found = []
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(self._root):
                if name := _NAME.fullmatch(entry.name):
                    numbers = (one.name for one in os.scandir(entry.path))
                    found += [f"{name[1]}-v{n}" for n in numbers if _NUMBER.fullmatch(n)]
        return found

    # ------------------------------------------------------------------ RuntimeVolumes

    async def names(self) -> list[str]:
        """Reads the folder of folders."""
        return await asyncio.to_thread(self._all)

    async def measure(self, volumes: Sequence[str] = ()) -> Mapping[str, int]:
        """Walks through the folders, one after another."""
        sizes = {}
        for volume in volumes or await self.names():
            folder = self.folder(volume)
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                sizes[volume] = await asyncio.to_thread(measured, folder)
        return sizes

    async def remove(self, volume: str) -> None:
        """Removes the folder: at once by its name."""
        folder = self.folder(volume)
        going = self._root / f".{folder.parent.name}-{folder.name}"
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            folder.rename(going)
        await remove_folder(going)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()

    async def export(self, volume: str) -> AsyncGenerator[TarPart, None]:
        """Walks through the folder in threads, a few files at a time."""
        try:
            parts = folder_parts(self.folder(volume))
        except OSError as error:
            raise VolumeNotFound(f"There is no volume {volume}.", volume=volume) from error
        try:
            while batch := await in_thread(_batch, parts):
                for part in batch:
                    yield part
        except OSError as error:
            raise EngineUnavailable(f"A volume cannot be read: {error.strerror}.") from error
        finally:
            parts.close()

    async def fill(self, volume: str, parts: AsyncIterator[TarPart]) -> None:
        """Fills a folder that a later process removes, and gives it its name at the end."""
        folder = self.folder(volume)
        if folder.exists():
            raise VolumeInUse(f"There is a volume {volume} already.", volume=volume)
        coming = self._root / f".{volume}.new"
        await remove_folder(coming)
        try:
            coming.mkdir(mode=0o700)
            with contextlib.closing(FolderFilling(coming)) as filling:
                async for batch in _batches(parts):
                    await in_thread(filling.take, batch)
                await in_thread(filling.end)
            folder.parent.mkdir(mode=0o711, exist_ok=True)
            coming.rename(folder)
        except OSError as error:
            raise EngineUnavailable(
                f"A volume cannot be written: {error.strerror}.", retry_after=30.0
            ) from error
        finally:
            if coming.exists():
                await asyncio.shield(remove_folder(coming))


def _batch(parts: Iterator[TarPart]) -> list[TarPart]:
    """The next parts, some of them at a time."""
    batch: list[TarPart] = []
    size = 0
    for part in parts:
        batch.append(part)
        size += len(part) if isinstance(part, bytes) else 0
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_PARTS:
            break
    return batch


async def _batches(parts: AsyncIterator[TarPart]) -> AsyncGenerator[list[TarPart], None]:
    """The same of parts that come one by one: a thread for each would cost more than its work."""
    batch: list[TarPart] = []
    size = 0
    async for part in parts:
        batch.append(part)
        size += len(part) if isinstance(part, bytes) else 0
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_PARTS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
