"""Migrations of a keyspace: how it comes to the schema that the code expects.

Which ones have run stands in the table `migrations`. While one process migrates it holds a lease there and
renews it; a process that waits takes over when it has seen no renewal for longer, by its own clock.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from chassis.clock import Clock, millis_of
from chassis.faults import Fault, Unavailable
from chassis.leading import Lease
from chassis.sql.migrations import SchemaTooNew
from feed_svc.adapters.cassandra.leases import CassandraLeases
from feed_svc.adapters.cassandra.session import Keyspace

BOOK = "migrations"
"""The table of what has run."""

SILENT = 15.0
"""How long a migrating process may say nothing before another one takes over, in seconds."""

_BEAT = 3.0
_LOOK = 0.2
_PATIENCE = 120.0
_LEASE = "migration"
_FIRST = (
    f"CREATE TABLE IF NOT EXISTS {BOOK} (revision text PRIMARY KEY, name text, time bigint)",
    "CREATE TABLE IF NOT EXISTS leases (name text PRIMARY KEY, holder text, address text, "
    "epoch bigint, beat bigint)",
)
_APPLIED = f"SELECT revision FROM {BOOK}"  # noqa: S608 - a name of ours
_NOTE = f"INSERT INTO {BOOK} (revision, name, time) VALUES (?, ?, ?)"  # noqa: S608 - a name of ours


@dataclass(frozen=True, slots=True)
class Schema:
    """The migrations of a service.

    Attributes:
        name: its package, `feed_svc.schema`.
        steps: the module of each revision.
    """

    name: str
    steps: dict[str, str]

    @classmethod
    def named(cls, schema: str) -> Schema:
        """The migrations in the package `cassandra` of a schema.

        Raises:
            TypeError: it does not say which one is the newest, or says it wrongly.
        """
        module = importlib.import_module(f"{schema}.cassandra")
        assert module.__file__ is not None
        found = sorted(Path(module.__file__).parent.glob("[0-9]*_*.py"))
        steps = {path.stem.partition("_")[0]: path.stem for path in found}
        if not steps or getattr(module, "HEAD", None) != max(steps):
            raise TypeError(
                f'{schema}.cassandra must say HEAD = "…", its newest revision: '
                f"{max(steps, default='')}"
            )
        return cls(schema, steps)

    @property
    def head(self) -> str:
        """The newest revision."""
        return max(self.steps)

    def statements(self, revision: str) -> tuple[str, ...]:
        """What a migration does."""
        module = importlib.import_module(f"{self.name}.cassandra.{self.steps[revision]}")
        statements: tuple[str, ...] = module.STATEMENTS
        return statements


async def applied(keyspace: Keyspace) -> list[str]:
    """The revisions that a keyspace has come to, in order.

    Raises:
        Unavailable: no server answers.
    """
    return sorted(str(row[0]) for row in await keyspace.rows(_APPLIED))


async def missing(keyspace: Keyspace, known: Schema) -> list[str]:
    """The revisions that a keyspace has yet to come to, in order.

    Raises:
        SchemaTooNew: it has come to one that the code does not know.
        Unavailable: no server answers.
    """
    done = await applied(keyspace)
    unknown = [revision for revision in done if revision not in known.steps]
    if unknown:
        raise SchemaTooNew(
            f"The keyspace is at revision {unknown[-1]} of {known.name}, this program knows "
            f"{known.head} at most. Run the newer version that wrote it, or restore a backup."
        )
    return sorted(set(known.steps) - set(done))


async def migrate_all(keyspace: Keyspace, known: Schema, clock: Clock) -> None:
    """Brings a keyspace to the newest schema; of several processes one does it, the others wait.

    Raises:
        SchemaTooNew: it has come to a revision that the code does not know.
        Unavailable: no server answers, or another process migrates for too long.
    """
    for statement in _FIRST:
        await keyspace.change_schema(statement)
    if not await missing(keyspace, known):
        return
    async with _locked(CassandraLeases(keyspace), clock) as keeping:
        # Read again under the lock: another process may have migrated while this one waited.
        for revision in await missing(keyspace, known):
            for statement in known.statements(revision):
                if keeping.done():
                    raise _lost()
                await keyspace.change_schema(statement)
            # Last of all, so that what was interrupted is done again.
            note = [revision, known.steps[revision], millis_of(clock.now())]
            await keyspace.write(_NOTE, note)


@asynccontextmanager
async def _locked(leases: CassandraLeases, clock: Clock) -> AsyncIterator[asyncio.Future[None]]:
    """Holds the lock, and gives what ends when it is lost."""
    held = await _take(leases, clock, uuid4().hex)
    present = [held]
    keeping = asyncio.ensure_future(_keep(leases, clock, present))
    try:
        yield keeping
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})
        # If not, it is taken over once nothing is heard of it.
        with suppress(Fault):
            await leases.release(_LEASE, present[0])


async def _take(leases: CassandraLeases, clock: Clock, holder: str) -> Lease:
    began = since = clock.monotonic()
    seen: Lease | None = None
    while True:
        found = await leases.read(_LEASE)
        now = clock.monotonic()
        if found != seen:
            seen, since = found, now
        if found is None or not found.holder or now - since >= SILENT:
            claimed = await leases.claim(_LEASE, found, holder, "")
            if claimed is not None:
                return claimed
        if now - began >= _PATIENCE:
            raise Unavailable(
                "Another process has been changing the schema of this keyspace for two minutes and "
                "has not come to an end; look at it.",
                retry_after=30.0,
            )
        await clock.sleep(_LOOK)


async def _keep(leases: CassandraLeases, clock: Clock, present: list[Lease]) -> None:
    """Says that the holder is alive; returns when the lock is lost or cannot be kept."""
    heard = clock.monotonic()
    while clock.monotonic() - heard < SILENT - _BEAT:
        await clock.sleep(_BEAT)
        try:
            renewed = await leases.renew(_LEASE, present[0])
        except Fault:
            continue
        if renewed is None:
            return
        present[0] = renewed
        heard = clock.monotonic()


def _lost() -> Unavailable:
    return Unavailable(
        "Another process has taken over the migration of this keyspace; wait for it, then try again.",
        retry_after=5.0,
    )
