"""What people do with volumes: list, rename, remove, download, upload."""

from __future__ import annotations

import asyncio
import secrets
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from allocation_svc.domain.volume import Volume, VolumeFact, VolumeState
from allocation_svc.domain.volume_faults import (
    VolumeFull,
    VolumeInUse,
    VolumeLimitAdminsOnly,
    VolumeNotFound,
    VolumeNotReady,
    VolumesExceeded,
    VolumeTooLarge,
    least_mib,
)
from allocation_svc.ports.contents import Contents
from allocation_svc.ports.volume_store import Measure, Shelf, VolumeSelection, VolumeStore
from allocation_svc.usecases.engine_watch import EngineWatch
from allocation_svc.usecases.reading import owner_seen
from allocation_svc.usecases.transfers import Transfers
from chassis.clock import Clock
from chassis.faults import Conflict
from chassis.identity.caller import Caller
from chassis.listing import FilterField, next_token, page_of, parse_filter

_FILTERS = {
    "state": FilterField.choice([state.value for state in VolumeState]),
    "allocation": FilterField.text("=", "!="),
    "machine": FilterField.text("=", "!="),
}
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_MOST_RACES = 20
_READABLE = (VolumeState.IN_USE, VolumeState.DETACHED)
_GZIP_LEVEL = 3


@dataclass(frozen=True, slots=True)
class UploadWish:
    """What somebody wants to upload.

    Attributes:
        display_name: their own name for it.
        path: where a program is meant to find it.
        size_limit_mib: how much it may hold; 0 for what is left.
    """

    display_name: str = ""
    path: str = ""
    size_limit_mib: int = 0


class Volumes:
    """Works on volumes for their owners."""

    def __init__(
        self,
        store: VolumeStore,
        contents: Contents,
        watch: EngineWatch,
        transfers: Transfers,
        *,
        clock: Clock,
        wake: Callable[[str], None],
        shelf: Shelf,
    ) -> None:
        """Works with these.

        Args:
            store: what volumes are.
            contents: what is in them.
            watch: whether the engine answers, and which node it is.
            transfers: bounds downloads and uploads.
            clock: the time.
            wake: has a volume looked after at once.
            shelf: how much a person may keep detached; admins have no limit.
        """
        self._store = store
        self._contents = contents
        self._watch = watch
        self._transfers = transfers
        self._clock = clock
        self._wake = wake
        self._shelf = shelf

    async def one(self, caller: Caller, name: str) -> Volume:
        """One volume.

        Raises:
            VolumeNotFound: there is none, or it is somebody else's.
        """
        volume = await self._store.find(name, "" if caller.sees_all else caller.user)
        if volume is None:
            raise VolumeNotFound(name)
        return volume

    async def page(
        self, caller: Caller, parent: str, filter_text: str, page_size: int, page_token: str
    ) -> tuple[Sequence[Volume], str]:
        """A page of volumes, newest first, and the token of the next one.

        Raises:
            Invalid: FILTER_INVALID, PAGE_TOKEN_INVALID.
            Forbidden: PARENT_FOREIGN.
        """
        owner = owner_seen(caller, parent)
        conditions = tuple(parse_filter(filter_text, _FILTERS))
        asked = page_of(page_size, page_token, owner, filter_text, key=(datetime, str))
        selection = VolumeSelection(owner, conditions)
        found = await self._store.page(selection, asked.size + 1, asked.after)
        shown = found[: asked.size]
        if len(found) <= asked.size:
            return shown, ""
        return shown, next_token((shown[-1].create_time, shown[-1].name), owner, filter_text)

    async def update(
        self,
        caller: Caller,
        name: str,
        version: int | None,
        *,
        display_name: str | None = None,
        size_limit_mib: int | None = None,
    ) -> Volume:
        """Changes the display name, and for admins the limit; None leaves one as it is.

        Raises:
            VolumeNotFound: there is none.
            VolumeLimitAdminsOnly: the caller is no admin.
            Conflict: ETAG_STALE.
        """

        def changed(volume: Volume) -> Volume:
            limit = size_limit_mib or volume.size_limit_mib
            if limit != volume.size_limit_mib and not caller.is_admin:
                raise VolumeLimitAdminsOnly
            title = volume.display_name if display_name is None else display_name
            return replace(volume, display_name=title or volume.path, size_limit_mib=limit)

        return await self._write(caller, name, version, changed)

    async def delete(self, caller: Caller, name: str, version: int | None = None) -> Volume:
        """Has a detached volume removed.

        Raises:
            VolumeNotFound: there is none.
            VolumeInUse: an allocation has it.
            VolumeNotReady: it is being filled.
            Conflict: ETAG_STALE.
        """

        def changed(volume: Volume) -> Volume:
            if volume.state is VolumeState.IN_USE:
                raise VolumeInUse(name, volume.allocation)
            if volume.state is VolumeState.UPLOADING:
                raise VolumeNotReady(volume)
            return replace(volume, state=VolumeState.DELETING)

        volume = await self._write(caller, name, version, changed)
        self._wake(name)
        return volume

    async def _write(
        self,
        caller: Caller,
        name: str,
        version: int | None,
        change: Callable[[Volume], Volume],
    ) -> Volume:
        for _ in range(_MOST_RACES):
            volume = await self.one(caller, name)
            if version is not None and volume.version != version:
                raise Conflict(
                    f"The volume {name!r} was changed since it was read; read it again and send that "
                    "etag.",
                    volume=name,
                )
            after = change(volume)
            if after == volume:
                return volume
            written = await self._store.replace(replace(after, update_time=self._clock.now()))
            if written is not None:
                return written
        raise Conflict(f"The volume {name!r} changes too fast at present; try again.", volume=name)

    async def refuse_full(self, allocation: str) -> None:
        """Refuses an allocation whose volumes hold too much; one that seemed to is measured now.

        Raises:
            VolumeFull: one does.
        """
        full = [one for one in await self._store.of_allocation(allocation) if one.is_full]
        if not full:
            return
        held = {
            one.identity: one for one in await self._contents.measure([v.identity for v in full])
        }
        now = self._clock.now()
        fresh = [
            replace(one, size_bytes=held[one.identity].size_bytes if one.identity in held else 0)
            for one in full
        ]
        await self._store.measured([Measure(one.name, one.size_bytes, now) for one in fresh])
        still = next((one for one in fresh if one.is_full), None)
        if still is not None:
            raise VolumeFull(still)

    async def refuse_to_keep(self, caller: Caller, allocation: str) -> None:
        """Refuses to keep the volumes of an allocation where that is more than their owner may have.

        Raises:
            VolumesExceeded, VolumeTooLarge: it is.
        """
        coming = await self._store.of_allocation(allocation)
        if caller.is_admin or not coming:
            return
        kept = await self._store.kept(coming[0].owner)
        if kept.volumes + len(coming) > self._shelf.volumes:
            raise VolumesExceeded(self._shelf.volumes)
        left = self._shelf.size_bytes - kept.size_bytes
        if sum(one.size_bytes for one in coming) > left:
            raise VolumeTooLarge(self._shelf.size_bytes, left)

    # ------------------------------------------------------------------ in and out

    async def download(
        self, caller: Caller, name: str, *, gzip: bool
    ) -> tuple[Volume, AsyncGenerator[bytes, None]]:
        """A volume, and what is in it as a tar archive; whoever takes the stream closes it.

        Raises:
            VolumeNotFound: there is none.
            VolumeNotReady: there is nothing in it that could be told.
            EngineUnavailable: the engine is away.
        """
        volume = await self.one(caller, name)
        if volume.state not in _READABLE:
            raise VolumeNotReady(volume)
        self._watch.refuse_if_away(noted=False)
        archive = self._contents.export(volume.identity)
        packed = _gzipped(archive) if gzip else archive
        return volume, self._transfers.out(caller.user, packed)

    async def upload(
        self, caller: Caller, wish: UploadWish, archive: AsyncIterator[bytes]
    ) -> Volume:
        """Makes a detached volume of an archive: as a whole, or not at all.

        Raises:
            VolumesExceeded, VolumeTooLarge: there is no room for it.
            TransfersExhausted, TransferStalled: too many at a time, or it stood still.
            EngineUnavailable: the engine is away.
            Fault: ARCHIVE_INVALID, ARCHIVE_UNSAFE.
        """
        self._watch.refuse_if_away(noted=False)
        node = await self._watch.node()
        now = self._clock.now()
        identity = "".join(secrets.choice(_ALPHABET) for _ in range(8)) + "-v1"
        volume = Volume(
            name=f"volumes/{identity}",
            uid=str(uuid4()),
            owner=caller.user,
            display_name=wish.display_name or wish.path or "uploaded",
            machine="",
            path=wish.path,
            size_limit_mib=wish.size_limit_mib,
            node=node.name,
            allocation="",
            state=VolumeState.UPLOADING,
            create_time=now,
            update_time=now,
        )
        begun = await self._store.begin(volume, None if caller.is_admin else self._shelf)
        present = begun

        async def beat() -> None:
            nonlocal present
            written = await self._store.replace(replace(present, update_time=self._clock.now()))
            if written is None:
                raise VolumeNotReady(present)
            present = written

        def use(pieces: AsyncIterator[bytes]) -> asyncio.Future[int]:
            return asyncio.ensure_future(self._contents.fill(identity, begun.limit_bytes, pieces))

        try:
            size = await self._transfers.into(caller.user, archive, use, beat)
            now = self._clock.now()
            await self._store.measured([Measure(begun.name, size, now)])
            done = await self._store.replace(
                replace(
                    present,
                    state=VolumeState.DETACHED,
                    size_limit_mib=wish.size_limit_mib or least_mib(size),
                    size_bytes=size,
                    measure_time=now,
                    update_time=now,
                ),
                VolumeFact.CREATED,
            )
        except BaseException:
            await _to_its_end(self._drop(begun.name))
            raise
        if done is None:
            raise VolumeNotReady(present)
        return done

    async def _drop(self, name: str) -> None:
        """Has removed what has come of an upload that did not come to its end."""
        for _ in range(_MOST_RACES):
            volume = await self._store.find(name)
            if volume is None or volume.state is not VolumeState.UPLOADING:
                return
            after = replace(volume, state=VolumeState.DELETING, update_time=self._clock.now())
            if await self._store.replace(after) is not None:
                self._wake(name)
                return


async def _gzipped(archive: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    packing = zlib.compressobj(_GZIP_LEVEL, wbits=31)
    async with aclosing(archive) as pieces:
        async for piece in pieces:
            packed = await asyncio.to_thread(packing.compress, piece)
            if packed:
                yield packed
    yield packing.flush()


async def _to_its_end(work: Coroutine[None, None, None]) -> None:
    """Runs what must be done also where the caller is cancelled."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise
