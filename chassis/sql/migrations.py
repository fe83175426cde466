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
        outbox_table(sa.MetaData()).create(op.get_bind(), checkfirst=False)

A released migration is never changed: what comes later is a new file with the next number, whose
`down_revision` is the one before, and a new HEAD. (The tables that chassis gives, `outbox` and `once`,
are frozen too: if one changes, chassis will bring a function for migrations to call.) Migrations only
go forward. They never drop what holds people's data in the same release that stops using it.

At a start the database's revision is compared with HEAD, which needs no Alembic; only when they differ
is Alembic imported and the missing migrations run. Several processes may start at once: on SQLite all
of it is one transaction that holds the file's lock for writing, on MySQL a named lock is held.

A SQLite file that has something in it is copied beside itself first. On MySQL a migration that was
interrupted is run again from its start, so what it does to rows must be right also when it is done
twice; see `chassis.sql.server_migrations`.
"""

from __future__ import annotations

import importlib
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Connection,
    Engine,
    LargeBinary,
    MetaData,
    Text,
    TypeDecorator,
    inspect,
    text,
)
from sqlalchemy.types import TypeEngine

if TYPE_CHECKING:
    from alembic.script import Script, ScriptDirectory

from chassis.sql.copies import copy_before
from chassis.sql.engines import make_sqlite_file, path_of, sqlite_engine
from chassis.sql.server_migrations import Resuming, migrating_alone
from chassis.sql.servers import server_engine
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


def migrate_if_needed(url: str, schema: str, *, migrate: bool) -> None:
    """Brings a database to the newest schema, unless it is there already.

    Args:
        url: where it is; of SQLite, the file must be there.
        schema: the package with the migrations.
        migrate: whether to migrate; without, an older database is refused.

    Raises:
        SchemaTooNew: the database has a revision that the code does not know.
        SchemaTooOld: it is older, and `migrate` is false.
        Unavailable: the disk is full, the server is away, or another process migrates for too long.
    """
    known = _Schema.named(schema)
    path = path_of(url)
    with driver_errors_as_faults(path):
        if _revision_at(url, path) == known.head:
            return
        if path is None:
            _migrate_server(url, known, migrate=migrate)
        else:
            _migrate_file(path, known, migrate=migrate)


def schema_revision(url: str, schema: str) -> tuple[str | None, str]:
    """At which revision a database is, and which is the newest one; it changes nothing.

    Args:
        url: where it is.
        schema: the package with the migrations.

    Returns:
        The revision of the database, None where it has no schema yet; and the program's newest.

    Raises:
        Unavailable: the server is away.
    """
    known = _Schema.named(schema)
    path = path_of(url)
    if path is not None and not path.exists():
        return None, known.head
    with driver_errors_as_faults(path):
        return _revision_at(url, path), known.head


def assert_schema_matches(metadata: MetaData, schema: str, url: str = "") -> None:
    """Checks, for tests of services, that the migrations make exactly the tables of the metadata.

    Args:
        metadata: the tables as the adapters know them.
        schema: the package with the migrations.
        url: an empty database to do it in; a SQLite file by default.

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
        if not url:
            make_sqlite_file(path)
        migrate_if_needed(url or f"sqlite:///{path}", schema, migrate=True)
        engine = server_engine(url) if url else migrating_engine(path)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": _differs})
            differences = compare_metadata(context, metadata)
        engine.dispose()
    if differences:
        listed = "\n".join(f"  {difference!r}" for difference in differences)
        raise AssertionError(f"the migrations of {schema} and its metadata differ:\n{listed}")


def _differs(
    _context: object,
    _column: object,
    _known: object,
    found: TypeEngine[Any],
    meant: TypeEngine[Any],
) -> bool | None:
    """Whether a column has another type than it should; None where Alembic knows best."""
    # A server names texts and blobs after the size that their length needs: TINYBLOB, LONGTEXT.
    kind = meant.impl_instance if isinstance(meant, TypeDecorator) else meant
    name = found.__visit_name__.upper()
    for ending, family in (("BLOB", LargeBinary), ("TEXT", Text)):
        if name.endswith(ending) and isinstance(kind, family):
            return False
    return None


def _revision_at(url: str, path: Path | None) -> str | None:
    if path is not None:
        return _revision_in_file(path)
    engine = server_engine(url)
    try:
        with engine.connect() as connection:
            return _revision(connection)
    finally:
        engine.dispose()


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


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if revision is None else str(revision)


def _migrate_file(path: Path, known: _Schema, *, migrate: bool) -> None:
    engine = migrating_engine(path)
    try:
        # The lock for writing is held from here on: the copy is of what is migrated.
        with engine.begin() as connection:
            steps, current = _steps(connection, known, migrate=migrate)
            if steps and current is not None:
                copy_before(path, known.head)
            for step in steps:
                _upgrade(connection, known, step)
            broken = connection.execute(text("PRAGMA foreign_key_check")).first()
            if broken is not None:
                raise AssertionError(f"after the migration, rows of {broken[0]} refer to nothing")
    finally:
        engine.dispose()


def _migrate_server(url: str, known: _Schema, *, migrate: bool) -> None:
    engine = server_engine(url, patient=True)
    try:
        with migrating_alone(engine, known.package) as connection:
            steps, _ = _steps(connection, known, migrate=migrate)
            if not steps:
                return
            resuming = Resuming(connection)
            for step in steps:
                resuming.begin(step.revision)
                _upgrade(connection, known, step)
                connection.commit()
            resuming.end()
    finally:
        engine.dispose()


def _steps(
    connection: Connection, known: _Schema, *, migrate: bool
) -> tuple[list[Script], str | None]:
    """The migrations that are missing, the oldest first, and the revision that there is."""
    from alembic.script.revision import RevisionError
    from alembic.util import CommandError

    # Read again under the lock: another process may have migrated while this one waited.
    current = _revision(connection)
    if current == known.head:
        return [], current
    try:
        steps = list(_scripts(known).iterate_revisions(known.head, current or "base"))
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
    return steps[::-1], current


def _upgrade(connection: Connection, known: _Schema, step: Script) -> None:
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext

    context = MigrationContext.configure(connection)
    with Operations.context(context):
        step.module.upgrade()
        context.stamp(_scripts(known), step.revision)


def _scripts(known: _Schema) -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(known.folder), version_locations=[str(known.folder / "versions")])
