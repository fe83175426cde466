"""Migrations: how a database comes to the schema that the code expects.

A service keeps them in a package, its room `schema`:

    machines_svc/schema/__init__.py              says HEAD = "0001", the newest revision
    machines_svc/schema/tables.py                the tables as SQLAlchemy metadata
    machines_svc/schema/versions/0001_machines.py

A migration is an Alembic revision file. The first one of a service:

    '''Machines and what is waiting to be published.'''
    import sqlalchemy as sa
    from alembic import op
    from chassis.bus.outbox import outbox_table
    from chassis.sql.types import Instant, JsonText

    revision = "0001"
    down_revision = None

    def upgrade() -> None:
        op.create_table(
            "machines",
            sa.Column("name", sa.String(80), primary_key=True),
            sa.Column("version", sa.BigInteger(), nullable=False),
            sa.Column("create_time", Instant(), nullable=False),
            sa.Column("document", JsonText(), nullable=False),
        )
        op.create_index("machines_by_time", "machines", ["create_time"])
        outbox_table(sa.MetaData()).create(op.get_bind())

A released migration is never changed: what comes later is a new file with the next number, whose
`down_revision` is the one before, and a new HEAD. (The tables that chassis gives, `outbox` and `once`,
are frozen too: if one changes, chassis will bring a function for migrations to call.) Migrations only
go forward. They never drop what holds people's data in the same release that stops using it.

At a start the database's revision is compared with HEAD, which needs no Alembic; only when they differ
is Alembic imported and the missing migrations run. Several processes may start at once: on SQLite all
of it is one transaction that holds the file's lock for writing, on MySQL a named lock is held.
"""

from __future__ import annotations

import importlib
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, MetaData, inspect, text

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

from chassis.sql.engines import make_sqlite_file, sqlite_engine
from chassis.sql.translation import driver_errors_as_faults

_LOCK_PATIENCE = 120


class SchemaTooNew(Exception):
    """The database was written by a newer version of the program; the process does not start."""


class SchemaTooOld(Exception):
    """The database must be migrated first; the process does not start."""


@dataclass(frozen=True, slots=True)
class _Schema:
    package: str
    folder: Path
    head: str

    @classmethod
    def named(cls, package: str) -> _Schema:
        module = importlib.import_module(package)
        head = getattr(module, "HEAD", None)
        if not isinstance(head, str) or module.__file__ is None:
            raise TypeError(f'{package} must say HEAD = "…", its newest revision')
        return cls(package, Path(module.__file__).parent, head)


def migrating_engine(path: Path) -> Engine:
    """An engine for migrations of a SQLite file: one writes at a time, and no foreign key is checked."""
    return sqlite_engine(
        path, begin="BEGIN IMMEDIATE", foreign_keys=False, busy_timeout=_LOCK_PATIENCE
    )


def migrate_if_needed(engine: Engine, schema: str, path: Path | None, *, migrate: bool) -> None:
    """Brings a database to the newest schema, unless it is there already.

    Args:
        engine: on SQLite, one whose transactions begin immediately and check no foreign keys.
        schema: the package with the migrations.
        path: the file of a SQLite database; None for a server.
        migrate: whether to migrate; without, an older database is refused.

    Raises:
        SchemaTooNew: the database has a revision that the code does not know.
        SchemaTooOld: it is older, and `migrate` is false.
        Unavailable: the disk is full, the server is away, or another process migrates for too long.
    """
    known = _Schema.named(schema)
    with driver_errors_as_faults(path):
        if (_revision_in_file(path) if path else _revision(engine)) == known.head:
            return
        with _locked(engine, known) as connection:
            _upgrade(connection, known, migrate=migrate)
    engine.dispose()


def assert_schema_matches(metadata: MetaData, schema: str) -> None:
    """Checks, for tests of services, that the migrations make exactly the tables of the metadata.

    Args:
        metadata: the tables as the adapters know them.
        schema: the package with the migrations.

    Raises:
        AssertionError: HEAD is not the newest revision, there are several newest ones, or a table,
            column, type, index or unique key differs; the message lists the differences.
    """
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    known = _Schema.named(schema)
    heads = _scripts(known).get_heads()
    if heads != [known.head]:
        raise AssertionError(f"{schema}.HEAD is {known.head!r}, its newest revisions are {heads}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "schema.sqlite3"
        make_sqlite_file(path)
        engine = migrating_engine(path)
        migrate_if_needed(engine, schema, path, migrate=True)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            differences = compare_metadata(context, metadata)
        engine.dispose()
    if differences:
        listed = "\n".join(f"  {difference!r}" for difference in differences)
        raise AssertionError(f"the migrations of {schema} and its metadata differ:\n{listed}")


def _revision_in_file(path: Path) -> str | None:
    # The fast way of every start but the first: no pool, no dialect, one row.
    connection = sqlite3.connect(path, timeout=_LOCK_PATIENCE)
    try:
        if not connection.execute(
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
        ).fetchone():
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else str(row[0])
    finally:
        connection.close()


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return None if revision is None else str(revision)


@contextmanager
def _locked(engine: Engine, known: _Schema) -> Iterator[Connection]:
    if engine.dialect.name == "sqlite":
        with engine.begin() as connection:
            yield connection
            broken = connection.execute(text("PRAGMA foreign_key_check")).first()
            if broken is not None:
                raise AssertionError(f"after the migration, rows of {broken[0]} refer to nothing")
        return
    lock = {"name": f"migrate:{known.package}", "seconds": _LOCK_PATIENCE}
    with engine.connect() as connection:
        connection.execute(text("SELECT GET_LOCK(:name, :seconds)"), lock)
        try:
            yield connection
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": lock["name"]})


def _upgrade(connection: Connection, known: _Schema, *, migrate: bool) -> None:
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script.revision import RevisionError
    from alembic.util import CommandError

    scripts = _scripts(known)
    context = MigrationContext.configure(connection)
    # Read again under the lock: another process may have migrated while this one waited.
    current = context.get_current_revision()
    if current == known.head:
        return
    try:
        steps = list(scripts.iterate_revisions(known.head, current or "base"))
    except (CommandError, RevisionError):
        steps = []
    if not steps:
        raise SchemaTooNew(
            f"The database is at revision {current} of {known.package}, this program knows "
            f"{known.head} at most. Run the newer version that wrote it, or restore a backup."
        )
    if not migrate:
        raise SchemaTooOld(
            f"The database is at revision {current or 'none'} of {known.package}, this program "
            f"needs {known.head}. Run `allocctl migrate` first."
        )
    with Operations.context(context):
        for step in reversed(steps):
            step.module.upgrade()
            context.stamp(scripts, step.revision)


def _scripts(known: _Schema) -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(known.folder), version_locations=[str(known.folder / "versions")])
