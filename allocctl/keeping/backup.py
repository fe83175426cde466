"""Writing an installation into an archive, while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from allocctl.failures import Failure
from allocctl.keeping.archive import ArchiveWriter, writing
from allocctl.keeping.bus_records import Line, kept_records
from allocctl.keeping.folder_files import write_files
from allocctl.keeping.installation import KEYS, Installation
from allocctl.keeping.kept_store import open_kept_store
from allocctl.keeping.rows import line_of
from allocctl.keeping.sql_tables import Shape
from allocctl.keeping.versions import Versions
from chassis.bus import Record
from chassis.clock import SystemClock
from chassis.clock.instants import rfc3339
from chassis.serving import Store

_OUTBOX = "outbox"

CERTIFICATES = "keys/certs/"
"""Where the files of a folder of certificates are in an archive."""


@dataclass(slots=True)
class Summary:
    """What went into an archive.

    Attributes:
        rows: how many of each store.
        absent: the stores that were not there.
        records: how many of the bus.
        logs: of how many allocations.
    """

    rows: dict[str, int] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    records: int = 0
    logs: int = 0


def back_up(
    installation: Installation,
    target: IO[bytes],
    scratch: Path,
    *,
    logs: bool = True,
    certificates: Path | None = None,
    stores: Iterable[Store] | None = None,
    say: Callable[[str], object] = lambda _line: None,
) -> Summary:
    """Writes an archive.

    Each store is read in one snapshot, one after the other, and the bus after them.

    Args:
        installation: what is kept.
        target: where to write; need not be seekable.
        scratch: a folder for what does not fit into memory.
        logs: whether logs are kept too.
        certificates: a folder whose files are kept too.
        stores: which ones; all that hold something of their own by default.
        say: told what is done, a line each.

    Raises:
        Failure: there is nothing to keep.
        Unavailable: a store or the bus does not answer.
        OSError: it cannot be written.
    """
    summary = Summary()
    about: dict[str, Any] = {
        "program": version("allocator"),
        "time": rfc3339(SystemClock().now()),
        "logs": logs,
        "stores": {},
    }
    versions = Versions(scratch)
    try:
        with writing(target, scratch) as archive:
            _write_keys(archive, installation, certificates)
            for store in installation.owners if stores is None else stores:
                _write_store(archive, installation, store, versions, about["stores"], summary)
                say(_told(store.name, summary))
            if not about["stores"]:
                raise Failure(
                    f"There is nothing to back up: no store is in {installation.folder}, and the "
                    "settings name no other. Give the settings that the services have "
                    "(--settings FILE, or the environment)."
                )
            about["bus"] = dict(_write_bus(archive, installation, versions))
            summary.records = sum(about["bus"].values())
            say(f"{'bus':<14} {summary.records} records")
            summary.logs = write_files(archive, installation, logs=logs)
            if summary.logs:
                say(f"{'logs':<14} of {summary.logs} allocations")
            archive.finish(about)
    finally:
        versions.close()
    return summary


def _write_keys(
    archive: ArchiveWriter, installation: Installation, certificates: Path | None
) -> None:
    for name in KEYS:
        if secret := installation.secret(name):
            with archive.member(f"keys/{name}") as write:
                write(secret.encode("ascii"))
    for path in sorted(certificates.rglob("*")) if certificates else ():
        if path.is_file():
            archive.add_file(path, f"{CERTIFICATES}{path.relative_to(certificates or path)}")


def _write_store(
    archive: ArchiveWriter,
    installation: Installation,
    store: Store,
    versions: Versions,
    about: dict[str, Any],
    summary: Summary,
) -> None:
    if not installation.has_file(store):
        summary.absent.append(store.name)
        return
    with open_kept_store(store, installation.folder) as kept:
        if kept.revision is None:
            summary.absent.append(store.name)
            return
        tables = {}
        total = 0
        for shape in kept.shapes():
            with archive.member(f"stores/{store.name}/{shape.name}.jsonl") as write:
                rows = 0
                for row in _fitting(kept.rows(shape), store, shape, versions):
                    versions.learn(store.name, shape.name, row)
                    write(line_of(row, shape.kinds))
                    rows += 1
            tables[shape.name] = {"rows": rows, "columns": dict(shape.kinds)}
            total += rows
        about[store.name] = {
            "schema": store.schema,
            "revision": kept.revision,
            "documents": store.is_documents,
            "tables": tables,
        }
        summary.rows[store.name] = total


def _fitting(
    rows: Iterator[Mapping[str, Any]], store: Store, shape: Shape, versions: Versions
) -> Iterator[Mapping[str, Any]]:
    """The rows of a table; of an outbox that is not of one moment with its owner, those that fit."""
    for row in rows:
        if not (store.is_documents and shape.name == _OUTBOX):
            yield row
            continue
        record = Record(row["topic"], row["key"], row["value"], row["headers"])
        if (fitting := versions.fitting(record)) is not None:
            yield {**row, "headers": dict(fitting.headers)}


def _write_bus(
    archive: ArchiveWriter, installation: Installation, versions: Versions
) -> Iterator[tuple[str, int]]:
    """Writes every topic; gives how many records each has."""
    kept = kept_records(installation)
    try:
        for topic in kept.topics():
            records = 0
            with archive.member(f"bus/{topic}.jsonl") as write:
                for record in kept.records(topic):
                    if (fitting := versions.fitting(record)) is not None:
                        write(Line(fitting).written())
                        records += 1
            yield topic, records
    finally:
        kept.close()


def _told(name: str, summary: Summary) -> str:
    rows: Mapping[str, int] = summary.rows
    return f"{name:<14} " + (f"{rows[name]} rows" if name in rows else "is not there")
