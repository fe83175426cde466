"""What the runtime keeps for allocations: listed, measured, carried out and in."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing, suppress
from datetime import datetime

from chassis.clock import Clock
from docker_svc.domain import (
    ArchiveInvalid,
    ArchiveUnsafe,
    EngineUnavailable,
    HeldVolume,
    VolumeTooLarge,
)
from docker_svc.domain.safe_entries import LEFT_OUT, SafeEntries
from docker_svc.domain.tar_stream import TarPacking, TarPart, TarReading
from docker_svc.ports.runtime_volumes import RuntimeVolumes

PIECE_BYTES = 256 << 10
"""How much of an archive is in one message, at most."""
_SHARE = 0.05
_MOST_NAMED = 1000
_GZIP = b"\x1f\x8b"


class Volumes:
    """The volumes of this node.

    All of them are measured again and again, for at most a twentieth of the time: where it takes long,
    it is done less often.
    """

    def __init__(self, runtime: RuntimeVolumes, clock: Clock, *, measure_seconds: float) -> None:
        """Keeps its parts.

        Args:
            runtime: has the volumes.
            clock: the time.
            measure_seconds: how often they are measured, at most.
        """
        self._runtime = runtime
        self._clock = clock
        self._measure_seconds = measure_seconds
        self._sizes: Mapping[str, tuple[int, datetime]] = {}

    async def list_all(self) -> list[HeldVolume]:
        """Every volume, with its size as it was last measured.

        Raises:
            EngineUnavailable: the engine does not answer.
        """
        names = await self._runtime.names()
        return [HeldVolume(name, *self._sizes.get(name, (0, None))) for name in names]

    async def measure(self, volumes: Sequence[str] = ()) -> list[HeldVolume]:
        """Measures volumes now; without those that are not there.

        Raises:
            EngineUnavailable: the engine does not answer.
        """
        now = self._clock.now()
        sizes = await self._runtime.measure(volumes)
        fresh = {name: (size, now) for name, size in sizes.items()}
        self._sizes = {**self._sizes, **fresh} if volumes else fresh
        return [HeldVolume(name, size, now) for name, size in sizes.items()]

    async def run(self) -> None:
        """Measures all of them, until it is cancelled."""
        while True:
            began = self._clock.monotonic()
            # Nobody waits for it: the next time will do.
            with suppress(EngineUnavailable):
                await self.measure()
            took = self._clock.monotonic() - began
            await self._clock.sleep(max(self._measure_seconds, took / _SHARE))

    async def remove(self, volume: str) -> None:
        """Removes a volume; where there is none, nothing happens.

        Raises:
            EngineUnavailable: the engine does not answer, or an instance has it.
        """
        await self._runtime.remove(volume)

    async def export(self, volume: str) -> AsyncGenerator[bytes, None]:
        """What is in a volume, as a tar archive.

        Raises:
            VolumeNotFound: there is none.
            EngineUnavailable: the engine does not answer.
        """
        packing, waiting = TarPacking(), bytearray()
        async with aclosing(self._runtime.export(volume)) as parts:
            async for part in _without_unsafe(parts):
                waiting += packing.pack(part)
                while len(waiting) >= PIECE_BYTES:
                    yield bytes(waiting[:PIECE_BYTES])
                    del waiting[:PIECE_BYTES]
        yield bytes(waiting) + packing.end()

    async def fill(self, volume: str, max_bytes: int, archive: AsyncIterator[bytes]) -> int:
        """Makes a volume from a tar archive, plain or gzip: as a whole, or not at all.

        Args:
            volume: its id.
            max_bytes: how much it may hold.
            archive: as it comes.

        Returns:
            The lengths of its files, in bytes.

        Raises:
            VolumeInUse: there is one of that name.
            VolumeTooLarge: the archive holds more.
            ArchiveInvalid: it is no archive, or not all of one.
            ArchiveUnsafe: something in it leads out of it, or is no file.
            EngineUnavailable: the engine does not answer.
        """
        counting = _Counting(max_bytes)
        async with (
            aclosing(_unpacked(archive)) as pieces,
            aclosing(_parts(pieces)) as parts,
            aclosing(_safe_only(parts, counting)) as safe,
        ):
            await self._runtime.fill(volume, safe)
        self._sizes = {**self._sizes, volume: (counting.size, self._clock.now())}
        return counting.size


class _Counting:
    """How much the files of an archive hold."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.size = 0

    def take(self, entry: tarfile.TarInfo) -> None:
        """Counts a file before any of it is written."""
        self.size += entry.size
        if self.size > self._most:
            raise VolumeTooLarge(
                f"The archive holds more than {self._most / 2**20:.1f} MiB, as much as the volume may; "
                "send less, or ask for a larger volume.",
                max_bytes=str(self._most),
            )


async def _without_unsafe(parts: AsyncIterator[TarPart]) -> AsyncGenerator[TarPart, None]:
    """The parts that are safe, and at the end a file that names what was left out."""
    safe = SafeEntries()
    left_out: list[str] = []
    skips = False
    async for part in parts:
        if isinstance(part, bytes):
            if not skips:
                yield part
            continue
        try:
            entry = safe.checked(part)
        except (ArchiveUnsafe, ArchiveInvalid) as fault:
            skips = True
            if len(left_out) < _MOST_NAMED:
                left_out.append(fault.message.partition("; leave")[0])
            continue
        skips = entry.name == LEFT_OUT
        if not skips:
            yield entry
    if left_out:
        text = ("\n".join(left_out) + "\n").encode("utf-8", "replace")
        entry = tarfile.TarInfo(LEFT_OUT)
        entry.size = len(text)
        yield entry
        yield text


async def _safe_only(
    parts: AsyncIterator[TarPart], counting: _Counting
) -> AsyncGenerator[TarPart, None]:
    """The parts, as long as they are safe and not too many."""
    safe = SafeEntries()
    skips = False
    async for part in parts:
        if isinstance(part, bytes):
            if not skips:
                yield part
            continue
        entry = safe.checked(part)
        skips = entry.name == LEFT_OUT
        if not skips:
            counting.take(entry)
            yield entry


async def _parts(pieces: AsyncIterator[bytes]) -> AsyncGenerator[TarPart, None]:
    reading = TarReading()
    async for piece in pieces:
        for part in reading.feed(piece):
            yield part
    reading.end()


async def _unpacked(archive: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The archive without its gzip, if it has one; never more than a piece at a time."""
    began = b""
    unpacker: _Unpacker | None = None
    async for data in archive:
        piece = began + data
        if unpacker is None and len(piece) < len(_GZIP):
            began = piece
            continue
        began = b""
        unpacker = unpacker or _Unpacker(is_gzip=piece.startswith(_GZIP))
        for out in unpacker.feed(piece):
            yield out
    if unpacker is None:
        yield began
    else:
        unpacker.end()


class _Unpacker:
    def __init__(self, *, is_gzip: bool) -> None:
        self._is_gzip = is_gzip
        self._stream = zlib.decompressobj(wbits=31)

    def feed(self, piece: bytes) -> Iterable[bytes]:
        """What the next bytes say."""
        return self._members(piece) if self._is_gzip else [piece]

    def _members(self, piece: bytes) -> Iterator[bytes]:
        rest = piece
        while rest:
            if self._stream.eof:
                if not rest.strip(b"\0"):
                    return
                self._stream = zlib.decompressobj(wbits=31)
            try:
                yield self._stream.decompress(rest, PIECE_BYTES)
            except zlib.error as error:
                raise ArchiveInvalid("The gzip of the archive is broken; send it again.") from error
            rest = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail

    def end(self) -> None:
        """Says that nothing follows."""
        if self._is_gzip and not self._stream.eof:
            raise ArchiveInvalid("The archive breaks off in the middle; send all of it.")
