"""Bringing every store to the newest schema, and the bus to its topics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from allocctl.failures import EXIT_AWAY, Failure
from allocctl.keeping.archive_file import new_archive
from allocctl.keeping.installation import Installation
from allocctl.keeping.kept_store import open_kept_store, rows_beyond_new
from allocctl.keeping.once import held_folder, one_at_a_time
from allocctl.keeping.revisions import revisions_of
from allocctl.keeping.topics import make_topics
from allocctl.keeping.wide_rows import migrate_wide_rows, revision_of_wide_rows
from chassis.clock import SystemClock
from chassis.faults import Unavailable
from chassis.serving import Store
from chassis.sql import SchemaTooNew, open_database

T = TypeVar("T")

_LOOK_EVERY = 0.5


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a store stands.

    Attributes:
        store: which.
        revision: of its schema; None where there is none.
        newest: that this program knows.
        has_rows: whether it holds more than a new one.
    """

    store: Store
    revision: str | None
    newest: str
    has_rows: bool


def migrate(
    installation: Installation,
    *,
    backups: Path | None,
    wait: float,
    say: Callable[[str], object] = lambda _line: None,
) -> None:
    """Migrates every store and makes the topics; changes nothing where all is done.

    Args:
        installation: which.
        backups: the folder of the archive that is made before a store with rows is changed; None
            for none.
        wait: how long to wait for servers that do not answer yet, in seconds.
        say: told what is done, a line each.

    Raises:
        Failure: a server does not answer in time, the backup fails, or a store is newer than this
            program.
    """
    deadline = time.monotonic() + wait
    stores = _stores(installation)
    # While another one migrates, its tables change: their rows are looked at once it is done.
    look = partial(_standing, installation, counts=False)
    first = [_patiently(partial(look, one), deadline, one.name) for one in stores]
    has_files = any(
        one.store.is_file and installation.has_file(one.store) for one in first if _is_outdated(one)
    )
    folder = held_folder(installation, wait) if has_files else nullcontext()
    with folder, one_at_a_time(installation, wait):
        # Asked again: another one may have done it meanwhile.
        standings = [_standing(installation, one) for one in stores]
        if backups is not None and any(one.has_rows for one in standings if _is_outdated(one)):
            path = _backed_up(installation, backups)
            say(f"{'backup':<14} {path}")
        for one in standings:
            say(f"{one.store.name:<14} {_migrated(installation, one)}")
        if installation.bus_store is None:
            _patiently(lambda: asyncio.run(make_topics(installation)), deadline, "bus")
            say(f"{'topics':<14} of {', '.join(installation.nouns)}")


def _stores(installation: Installation) -> list[Store]:
    bus = installation.bus_store
    return [*installation.stores, *([bus] if bus else [])]


def _standing(installation: Installation, store: Store, *, counts: bool = True) -> Standing:
    if not installation.has_file(store):
        return Standing(store, None, revisions_of(store.schema)[-1], has_rows=False)
    if store.is_wide_rows:
        revision, newest = revision_of_wide_rows(store)
        _check_known(store, revision, newest)
        return Standing(store, revision, newest, has_rows=revision is not None)
    with open_kept_store(store, installation.folder) as kept:
        revision, newest = kept.schema
        _check_known(store, revision, newest)
        has_rows = counts and bool(rows_beyond_new(store, kept))
        return Standing(store, revision, newest, has_rows=has_rows)


def _check_known(store: Store, revision: str | None, newest: str) -> None:
    # Revisions are numbers of four digits.
    if revision is not None and revision > newest:
        raise Failure(
            f"{store.name} is at revision {revision}, and this program knows {newest} at most: "
            "a newer version wrote it. Run that one, or restore a backup."
        )


def _is_outdated(standing: Standing) -> bool:
    return standing.revision != standing.newest


def _backed_up(installation: Installation, backups: Path) -> Path:
    stamp = SystemClock().now().strftime("%Y%m%dT%H%M%S")
    path = backups / f"before-migration-{stamp}.tar.gz"
    try:
        backups.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Logs are not migrated, and may be large.
        new_archive(installation, path, logs=False)
    except (OSError, Unavailable, Failure) as error:
        raise Failure(
            f"Nothing was migrated: the backup could not be made in {backups}: {error} Name another "
            "folder with --backup-to, or --no-backup if you have one."
        ) from None
    return path


def _migrated(installation: Installation, standing: Standing) -> str:
    """Migrates one store; says what was done."""
    store = standing.store
    if not _is_outdated(standing):
        return f"at revision {standing.newest}"
    if not installation.has_file(store):
        return "not there yet: it is made at the first start"
    try:
        asyncio.run(_open_and_close(installation, store))
    except SchemaTooNew as problem:
        raise Failure(str(problem)) from None
    came = standing.revision or "nothing"
    return f"from {came} to revision {standing.newest}"


async def _open_and_close(installation: Installation, store: Store) -> None:
    if store.is_documents:
        from chassis.documents import open_documents

        documents = await open_documents(store.url, store.schema, SystemClock(), migrate=True)
        await documents.close()
        return
    if store.is_wide_rows:
        await migrate_wide_rows(store)
        return
    url = store.url_in(installation.folder)
    database = await open_database(url, store.schema, SystemClock(), migrate=True)
    await database.close()


def _patiently(ask: Callable[[], T], deadline: float, name: str) -> T:
    """Asks a server that may be starting up again and again."""
    while True:
        try:
            return ask()
        except Unavailable as fault:
            if time.monotonic() >= deadline:
                raise Failure(f"{name}: {fault.message}", EXIT_AWAY) from None
            time.sleep(_LOOK_EVERY)
