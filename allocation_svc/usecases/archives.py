"""All that there is of an allocation, as one archive."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime

from allocation_svc.domain.allocation import Allocation
from allocation_svc.domain.volume import Volume
from allocation_svc.ports.contents import Contents
from allocation_svc.ports.volume_store import VolumeStore
from allocation_svc.usecases.engine_watch import EngineWatch
from allocation_svc.usecases.transfers import Transfers
from chassis.clock import Clock
from chassis.faults import NotFound
from chassis.identity.caller import Caller

Files = Sequence[tuple[str, AsyncIterator[bytes]]]
"""Names, and what is in the files of these names."""

_PIECE = 64 << 10
_FIRST_YEAR = 1980


class Archives:
    """Zips an allocation while it is read: nothing is kept but the piece that is on its way."""

    def __init__(
        self,
        store: VolumeStore,
        contents: Contents,
        watch: EngineWatch,
        transfers: Transfers,
        clock: Clock,
    ) -> None:
        """Reads from these."""
        self._store = store
        self._contents = contents
        self._watch = watch
        self._transfers = transfers
        self._clock = clock

    async def of(
        self, caller: Caller, allocation: Allocation, reports: Files
    ) -> tuple[int, AsyncGenerator[bytes, None]]:
        """How much the volumes of an allocation hold, and all of it as a zip archive.

        Args:
            caller: who asks.
            allocation: which.
            reports: what is known of it.

        Raises:
            EngineUnavailable: the engine is away.
        """
        self._watch.refuse_if_away(noted=False)
        volumes = await self._store.of_allocation(allocation.name)
        size = sum(volume.size_bytes for volume in volumes)
        zipped = self._zipped(allocation, volumes, reports)
        return size, self._transfers.out(caller.user, zipped)

    async def _zipped(
        self, allocation: Allocation, volumes: Sequence[Volume], reports: Files
    ) -> AsyncGenerator[bytes, None]:
        packing = _Packing(self._clock.now())
        for name, content in reports:
            async for piece in packing.file(name, content, packs=True):
                yield piece
        async with aclosing(self._contents.log(allocation.name)) as log:
            async for piece in packing.file("log.txt", log, packs=True):
                yield piece
        for volume in volumes:
            name = f"volumes/{volume.path.strip('/')}.tar"
            async with aclosing(self._contents.export(volume.identity)) as archive:
                try:
                    first = await anext(archive, b"")
                except NotFound:
                    # It was never made: the allocation did not come so far.
                    continue
                async for piece in packing.file(name, _with(first, archive), packs=False):
                    yield piece
        yield packing.end()


class _Packing:
    """Writes a zip archive to nowhere, and hands out what was written since."""

    def __init__(self, now: datetime) -> None:
        self._out = _Written()
        # It cannot be sought in, so sizes and sums follow the files, as zip64 has them.
        self._zip = zipfile.ZipFile(self._out, "w")
        year = max(now.year, _FIRST_YEAR)
        self._time = (year, now.month, now.day, now.hour, now.minute, now.second)

    async def file(
        self, name: str, content: AsyncIterator[bytes], *, packs: bool
    ) -> AsyncGenerator[bytes, None]:
        about = zipfile.ZipInfo(name, self._time)
        about.compress_type = zipfile.ZIP_DEFLATED if packs else zipfile.ZIP_STORED
        about.external_attr = 0o644 << 16
        with self._zip.open(about, "w", force_zip64=True) as entry:
            async for piece in content:
                entry.write(piece)
                if len(self._out.waiting) >= _PIECE:
                    yield self._out.taken()

    def end(self) -> bytes:
        self._zip.close()
        return self._out.taken()


class _Written(io.RawIOBase):
    """What a zip archive is written to: keeps what was not taken yet."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = memoryview(data)  # type: ignore[arg-type]
        self.waiting += piece
        return piece.nbytes

    def taken(self) -> bytes:
        piece = bytes(self.waiting)
        self.waiting.clear()
        return piece


async def _with(first: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    yield first
    async for piece in rest:
        yield piece
