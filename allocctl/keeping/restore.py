"""Filling an empty installation from an archive, of whatever kind its stores are."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from allocctl.failures import Failure
from allocctl.keeping import archive
from allocctl.keeping.archive import ArchiveDamaged, Member
from allocctl.keeping.backup import CERTIFICATES
from allocctl.keeping.bus_records import Line, kept_records
from allocctl.keeping.folder_files import (
    FILES,
    NODE,
    place_of,
    restore_file,
    runtime_of,
    what_is_there,
    write_private,
)
from allocctl.keeping.installation import KEYS, Installation
from allocctl.keeping.kept_store import (
    open_fillable_store,
    open_kept_store,
    rows_beyond_new,
)
from allocctl.keeping.once import held_folder, one_at_a_time
from allocctl.keeping.revisions import revisions_of
from allocctl.keeping.rows import Kind
from allocctl.keeping.topics import make_topics
from chassis.bus import Bus, Record, open_bus
from chassis.clock import SystemClock
from chassis.serving import Store

_BUS = "bus"
_BATCH = 500
_PATIENCE = 5.0
_BATCH_BYTES = 4 << 20
_LONGEST_KEY = 1024
_MOST_TOLD = 100


def restore(
    installation: Installation,
    source: Path,
    *,
    certificates: Path | None = None,
    say: Callable[[str], object] = lambda _line: None,
) -> None:
    """Fills an empty installation.

    Everything that can be checked is checked before anything is written.

    Args:
        installation: where to.
        source: the archive.
        certificates: a folder for the certificates of the archive; by default they are left out.
        say: told what is done, a line each.

    Raises:
        Failure: the archive cannot be used, or the installation is not empty.
        Unavailable: a store or the bus does not answer.
    """
    try:
        manifest = archive.checked(source)
        stores = _stores_of(installation, manifest)
        with held_folder(installation), one_at_a_time(installation, _PATIENCE):
            in_place = _is_in_place(installation, source)
            if in_place:
                stores = {name: one for name, one in stores.items() if not one.is_file}
            _check_empty(installation, stores, certificates, in_place=in_place)
            _check_keys(installation, source)
            _Filling(installation, manifest, stores, certificates, in_place, say).run(source)
    except ArchiveDamaged as problem:
        raise Failure(str(problem)) from None


class _Filling:
    """One restore, member by member."""

    def __init__(
        self,
        installation: Installation,
        manifest: Mapping[str, Any],
        stores: Mapping[str, Store],
        certificates: Path | None,
        in_place: bool,
        say: Callable[[str], object],
    ) -> None:
        self._installation = installation
        self._manifest = manifest
        self._stores = stores
        self._certificates = certificates
        self._in_place = in_place
        self._say = say

    def run(self, source: Path) -> None:
        """Fills everything, in one reading of the archive."""
        asyncio.run(make_topics(self._installation))
        empty = set(self._stores)
        for part, members in groupby(archive.members(source), _part_of):
            if part in self._stores:
                self._fill(part, members)
                empty.discard(part)
            elif part == _BUS:
                records = asyncio.run(self._publish(members))
                self._say(f"{'bus':<14} {records} records")
            else:
                for member in members:
                    self._write_file(member)
        for name in sorted(empty):
            # Of which nothing is kept, at its revision: it is made all the same.
            self._fill(name, ())
        if self._in_place:
            self._say(
                f"{'node':<14} is here already: {self._installation.node_folder} stays as it is"
            )

    def _fill(self, name: str, members: Iterable[Member]) -> None:
        about = self._manifest["stores"][name]
        rows = 0
        with open_fillable_store(self._stores[name], self._installation.folder) as fillable:
            fillable.begin(about["revision"])
            for member in members:
                table = PurePosixPath(member.name).stem
                columns = about["tables"][table]["columns"]
                kinds = {column: Kind(kind) for column, kind in columns.items()}
                rows += fillable.load(table, kinds, member.lines())
            fillable.finish()
        self._say(f"{name:<14} {rows} rows")

    async def _publish(self, members: Iterable[Member]) -> int:
        process = self._installation.process
        bus = await open_bus(
            self._installation.bus_url,
            SystemClock(),
            retention=timedelta(days=process.bus_retention_days),
        )
        try:
            return await _publish_all(bus, members)
        finally:
            await bus.close()

    def _write_file(self, member: Member) -> None:
        name = member.name
        folder = self._installation.folder
        if name.startswith(CERTIFICATES):
            if self._certificates is not None:
                inside = PurePosixPath(name).relative_to(CERTIFICATES)
                write_private(self._certificates / inside, member)
        elif name.startswith("keys/"):
            key = PurePosixPath(name).name
            if key in KEYS and not self._installation.secret(key):
                write_private(folder / "keys" / key, member)
        elif name.startswith((NODE, FILES)):
            path = place_of(member, self._installation)
            if not (self._in_place and (name.startswith(NODE) or path.exists())):
                restore_file(member, path)


def _part_of(member: Member) -> str:
    """What a member is a part of: a store by its name, or else the folder that it is in."""
    folder, _, rest = member.name.partition("/")
    return rest.partition("/")[0] if folder == "stores" else folder


async def _publish_all(bus: Bus, members: Iterable[Member]) -> int:
    published = size = 0
    batch: list[Record] = []
    for record in _records(members):
        batch.append(record)
        size += len(record.value)
        if len(batch) == _BATCH or size > _BATCH_BYTES:
            await bus.publish(batch)
            published, batch, size = published + len(batch), [], 0
    await bus.publish(batch)
    return published + len(batch)


def _records(members: Iterable[Member]) -> Iterator[Record]:
    for member in members:
        topic = PurePosixPath(member.name).name.removesuffix(".jsonl")
        for line in member.lines():
            yield Line.read(topic, line).record


def _stores_of(installation: Installation, manifest: Mapping[str, Any]) -> Mapping[str, Store]:
    """The stores that an archive fills, by name.

    Raises:
        Failure: this program knows a store or its revision not, or cannot hold it there.
    """
    known = {store.name: store for store in installation.stores}
    found = {}
    for name, about in manifest["stores"].items():
        store = known.get(name)
        newer = (
            f"The archive was made by allocator {manifest['program']}, which is newer than this one: "
            f"it has {{}}. Restore it with that version, or a newer one."
        )
        if store is None:
            raise Failure(newer.format(f"a store {name}"))
        if about["revision"] not in revisions_of(store.schema):
            raise Failure(newer.format(f"revision {about['revision']} of {name}"))
        found[name] = store
    return found


def _is_in_place(installation: Installation, source: Path) -> bool:
    """Whether the data folder is the very node that the archive was made on.

    Then only the stores of servers are filled: the node keeps its instances, its records of them and
    its journal.
    """
    here = runtime_of(installation)
    if not here:
        return False
    return any(
        member.name == f"{NODE}runtime.json" and member.content.read(_LONGEST_KEY) == here
        for member in archive.members(source)
    ) and all(not store.is_file for store in installation.owners if store.name != "docker")


def _check_empty(
    installation: Installation,
    stores: Mapping[str, Store],
    certificates: Path | None,
    *,
    in_place: bool,
) -> None:
    found = [] if in_place else what_is_there(installation)
    for name, store in stores.items():
        if installation.has_file(store):
            with open_kept_store(store, installation.folder) as kept:
                found += [
                    f"{rows} rows in {table} of {name}"
                    for table, rows in rows_beyond_new(store, kept).items()
                ]
    if not (in_place and installation.bus_store is not None):
        kept_bus = kept_records(installation)
        try:
            found += [f"records in {topic} on the bus" for topic in kept_bus.topics()]
        finally:
            kept_bus.close()
    if certificates is not None and certificates.is_dir() and any(certificates.iterdir()):
        found.append(f"files in {certificates}")
    if found:
        listed = "\n".join(f"  {one}" for one in found[:_MOST_TOLD])
        raise Failure(
            f"The installation is not empty, so nothing was restored. There are:\n{listed}\n"
            "Name empty stores and another data folder (ALLOCATOR_DATA_DIR)."
        )


def _check_keys(installation: Installation, source: Path) -> None:
    """Looks whether what the archive's vault has sealed can be opened with the key that is here.

    Raises:
        Failure: it cannot.
    """
    name = "vault.key"
    here = installation.secret(name)
    for member in archive.members(source):
        if here and member.name == f"keys/{name}":
            kept = member.content.read(_LONGEST_KEY).decode("ascii")
            if not hmac.compare_digest(_bare(kept), _bare(here)):
                given = f"{KEYS[name]} gives" if installation.key_setting(name) else "keys/ holds"
                raise Failure(
                    f"{given} another key than the one that the archive's secrets are sealed with. "
                    "Leave it out: the archive brings its own."
                )


def _bare(key: str) -> bytes:
    return key.strip().rstrip("=").encode()
