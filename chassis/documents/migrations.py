"""Migrations of documents: how a database comes to the schema that the code expects.

A service keeps them beside those of its tables:

    machines_svc/schema/documents/__init__.py        says HEAD = "0001", the newest revision, and
                                                     COLLECTIONS, see `chassis.documents.collections`
    machines_svc/schema/documents/0001_machines.py

A migration makes indexes and changes documents; collections come to be by themselves:

    '''Machines and their former versions.'''

    async def upgrade(database: AsyncDatabase) -> None:
        await database["machines"].create_index([("uid", 1)], name="machines_by_uid")

It may be run again after it was interrupted half-way, so each of its statements must be one that does
no harm the second time. What it may not do is as for tables: a released migration is never changed,
migrations only go forward, and they never drop what holds people's data in the release that stops
using it.

Which ones have run stands in the collection `schema`. While one process migrates it holds a lock
there and says every few seconds that it is still alive; a process that waits takes the lock over when
it has heard nothing for longer, by its own clock.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from uuid import uuid4

from pymongo.errors import DuplicateKeyError

from chassis.clock import Clock
from chassis.documents.documents import Document, Documents
from chassis.faults import Fault, Unavailable
from chassis.sql.migrations import SchemaTooNew, SchemaTooOld

SILENT = 15.0
"""How long a migrating process may say nothing before another one takes over, in seconds."""

_BEAT = 3.0
_LOOK = 0.2
_PATIENCE = 120.0
_STEP = 600.0
_APPLIED = "schema"
_LOCK = "lock"


@dataclass(frozen=True, slots=True)
class _Schema:
    package: str
    steps: dict[str, str]

    @classmethod
    def named(cls, schema: str) -> _Schema:
        """The migrations of a service.

        Raises:
            TypeError: the package does not say which one is the newest, or says it wrongly.
        """
        package = f"{schema}.documents"
        module = importlib.import_module(package)
        assert module.__file__ is not None
        found = sorted(Path(module.__file__).parent.glob("[0-9]*_*.py"))
        steps = {path.stem.partition("_")[0]: path.stem for path in found}
        if not steps or getattr(module, "HEAD", None) != max(steps):
            raise TypeError(
                f'{package} must say HEAD = "…", its newest revision: {max(steps, default="")}'
            )
        return cls(package, steps)

    @property
    def head(self) -> str:
        return max(self.steps)

    def step(self, revision: str) -> ModuleType:
        return importlib.import_module(f"{self.package}.{self.steps[revision]}")


async def migrate_if_needed(
    documents: Documents, schema: str, clock: Clock, *, migrate: bool
) -> None:
    """Brings a database to the newest schema, unless it is there already.

    Args:
        documents: the database.
        schema: the package of the service's schema, `machines_svc.schema`.
        clock: for waiting while another process migrates.
        migrate: whether to migrate; without, an older database is refused.

    Raises:
        SchemaTooNew: the database has a revision that the code does not know.
        SchemaTooOld: it is older, and `migrate` is false.
        Unavailable: the server is away, or another process migrates for too long.
    """
    known = _Schema.named(schema)
    if not await _missing(documents, known, schema):
        return
    if not migrate:
        current = await _current(documents)
        raise SchemaTooOld(
            f"The database is at revision {current or 'none'} of {schema}, this program "
            f"needs {known.head}. Run `allocctl migrate` first."
        )
    async with _locked(documents, clock) as while_held:
        # Read again under the lock: another process may have migrated while this one waited.
        for revision in await _missing(documents, known, schema):
            await while_held(_run(documents, known, revision, clock))


async def revisions(documents: Documents, schema: str) -> tuple[str | None, str]:
    """The revision that a database is at, None for one with nothing in it, and the newest one.

    Args:
        documents: the database.
        schema: the package of the service's schema, `machines_svc.schema`.

    Raises:
        Unavailable: the server does not answer.
    """
    return await _current(documents), _Schema.named(schema).head


async def _applied(documents: Documents) -> list[str]:
    async with documents.work() as database:
        found = await database[_APPLIED].find({"_id": {"$ne": _LOCK}}, ["_id"]).to_list()
    return sorted(str(one["_id"]) for one in found)


async def _current(documents: Documents) -> str | None:
    applied = await _applied(documents)
    return applied[-1] if applied else None


async def _missing(documents: Documents, known: _Schema, schema: str) -> list[str]:
    applied = await _applied(documents)
    unknown = [revision for revision in applied if revision not in known.steps]
    if unknown:
        raise SchemaTooNew(
            f"The database is at revision {unknown[-1]} of {schema}, this program knows "
            f"{known.head} at most. Run the newer version that wrote it, or restore a backup."
        )
    return sorted(set(known.steps) - set(applied))


async def _run(documents: Documents, known: _Schema, revision: str, clock: Clock) -> None:
    async with documents.work(_STEP) as database:
        await known.step(revision).upgrade(database)
        # Last of all, so that what was interrupted is done again.
        await database[_APPLIED].update_one(
            {"_id": revision},
            {"$setOnInsert": {"name": known.steps[revision], "time": clock.now()}},
            upsert=True,
        )


@asynccontextmanager
async def _locked(
    documents: Documents, clock: Clock
) -> AsyncIterator[Callable[[Awaitable[None]], Awaitable[None]]]:
    """Holds the lock, and gives what runs a step for as long as it is held."""
    holder = uuid4().hex
    await _take(documents, clock, holder)
    keeping = asyncio.ensure_future(_keep(documents, clock, holder))

    async def while_held(step: Awaitable[None]) -> None:
        running = asyncio.ensure_future(step)
        try:
            await asyncio.wait({running, keeping}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                raise Unavailable(
                    "Another process has taken the migration over; start again.", retry_after=2.0
                )
            running.result()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    try:
        yield while_held
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        async with documents.work() as database:
            await database[_APPLIED].delete_one({"_id": _LOCK, "holder": holder})


async def _take(documents: Documents, clock: Clock, holder: str) -> None:
    began = since = clock.monotonic()
    seen: Document | None = None
    while True:
        async with documents.work() as database:
            schema = database[_APPLIED]
            try:
                await schema.insert_one({"_id": _LOCK, "holder": holder, "beat": 0})
            except DuplicateKeyError:
                found = await schema.find_one({"_id": _LOCK})
            else:
                return
            now = clock.monotonic()
            if found != seen:
                seen, since = found, now
            elif found is not None and now - since > SILENT:
                taken = {"$set": {"holder": holder, "beat": 0}}
                if (await schema.update_one(found, taken)).matched_count:
                    return
        if now - began > _PATIENCE:
            raise Unavailable(
                "Another process migrates the database and does not come to an end; look at it.",
                retry_after=30.0,
            )
        await clock.sleep(_LOOK)


async def _keep(documents: Documents, clock: Clock, holder: str) -> None:
    """Says that the holder is alive; returns when the lock is lost or cannot be kept."""
    heard = clock.monotonic()
    while clock.monotonic() - heard < SILENT - _BEAT:
        await clock.sleep(_BEAT)
        try:
            async with documents.work(_BEAT) as database:
                alive = await database[_APPLIED].update_one(
                    {"_id": _LOCK, "holder": holder}, {"$inc": {"beat": 1}}
                )
        except Fault:
            continue
        if not alive.matched_count:
            return
        heard = clock.monotonic()
