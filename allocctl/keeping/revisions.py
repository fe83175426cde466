"""The revisions of a SQL schema: which there are, and making a store at one of them."""

from __future__ import annotations

import importlib
from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def revisions_of(schema: str) -> list[str]:
    """Every revision of a schema, the oldest first."""
    return [script.revision for script in _scripts(schema).walk_revisions()][::-1]


def upgrade(connection: Connection, schema: str, revision: str) -> None:
    """Brings a store to a revision that is not older than its own; the caller commits.

    Args:
        connection: on SQLite, in a transaction that checks no foreign keys.
        schema: the package of the migrations.
        revision: one of `revisions_of`.
    """
    scripts = _scripts(schema)
    context = MigrationContext.configure(connection)
    current = context.get_current_revision()
    if current == revision:
        return
    steps = list(scripts.iterate_revisions(revision, current or "base"))
    with Operations.context(context):
        for step in reversed(steps):
            step.module.upgrade()
            context.stamp(scripts, step.revision)


def _scripts(schema: str) -> ScriptDirectory:
    where = importlib.import_module(schema).__file__
    assert where is not None
    folder = Path(where).parent
    return ScriptDirectory(str(folder), version_locations=[str(folder / "versions")])
