"""A keyspace of wide rows, as keeping sees it: only feed_svc has one."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from allocctl.keeping import sql_tables
from allocctl.keeping.revisions import revisions_of, upgrade
from chassis.clock import SystemClock
from chassis.serving import Store


def revision_of_wide_rows(store: Store) -> tuple[str | None, str]:
    """The revision that a keyspace is at, None where it is not there, and the newest one.

    Raises:
        Unavailable: no server answers.
    """
    from feed_svc.adapters.cassandra.opening import schema_revision

    return asyncio.run(schema_revision(store.url, store.schema))


async def migrate_wide_rows(store: Store) -> None:
    """Makes a keyspace, and brings it to the newest revision.

    Raises:
        SchemaTooNew: a newer version of the program wrote it.
        Unavailable: no server answers.
    """
    from feed_svc.adapters.cassandra.opening import open_keyspace

    keyspace = await open_keyspace(store.url, store.schema, SystemClock(), migrate=True)
    await keyspace.close()


@contextmanager
def open_kept_wide_rows(store: Store) -> Iterator[Store | None]:
    """The rows of a keyspace as tables of SQL, in a file of one's own; None where it is not there.

    Each machine's are of one moment, all of them not.

    Raises:
        Unavailable: no server answers.
    """
    from feed_svc.adapters.cassandra.opening import open_keyspace
    from feed_svc.adapters.feed_store.archive import dump
    from feed_svc.schema.tables import METADATA

    if asyncio.run(_revision(store)) is None:
        yield None
        return

    async def copy(connection: Connection) -> None:
        clock = SystemClock()
        keyspace = await open_keyspace(store.url, store.schema, clock, migrate=False)
        try:
            async for rows in dump(keyspace, clock):
                for name, some in rows.items():
                    if some:
                        connection.execute(insert(METADATA.tables[name]), list(some))
        finally:
            await keyspace.close()

    with _staged(store) as (staged, connection):
        upgrade(connection, store.schema, revisions_of(store.schema)[-1])
        asyncio.run(copy(connection))
        connection.commit()
        yield staged


@contextmanager
def open_fillable_wide_rows(store: Store) -> Iterator[tuple[Store, Connection, Callable[[], None]]]:
    """Tables of SQL to be filled, and what writes their rows, at the newest revision, into a keyspace.

    Raises:
        Unavailable: no server answers.
    """
    from feed_svc.adapters.cassandra.opening import open_keyspace
    from feed_svc.adapters.feed_store.archive import load
    from feed_svc.schema.tables import METADATA

    async def copy(connection: Connection) -> None:
        clock = SystemClock()
        keyspace = await open_keyspace(store.url, store.schema, clock, migrate=True)
        try:
            tables = METADATA.tables
            for machine in connection.execute(select(tables["feeds"].c.machine)).scalars().all():
                await load(keyspace, clock, _of_machine(connection, tables, machine))
            authors = connection.execute(select(tables["authors"])).mappings().all()
            await load(keyspace, clock, {"authors": [dict(row) for row in authors]})
        finally:
            await keyspace.close()

    with _staged(store) as (staged, connection):
        yield staged, connection, lambda: asyncio.run(copy(connection))


def _of_machine(
    connection: Connection, tables: Mapping[str, Table], machine: str
) -> dict[str, list[dict[str, Any]]]:
    """Every row of one machine."""
    of_machine = {name: table.c.machine for name, table in tables.items() if "machine" in table.c}
    found = {
        name: [
            dict(row)
            for row in connection.execute(select(tables[name]).where(column == machine)).mappings()
        ]
        for name, column in {**of_machine, "outbox": tables["outbox"].c.key}.items()
    }
    # What a request was about stands in the method that it is known by.
    asked = select(tables["once"]).where(tables["once"].c.method == f"CreateComment {machine}")
    found["once"] = [dict(row) for row in connection.execute(asked).mappings()]
    return found


async def _revision(store: Store) -> str | None:
    from feed_svc.adapters.cassandra.opening import schema_revision

    return (await schema_revision(store.url, store.schema))[0]


@contextmanager
def _staged(store: Store) -> Iterator[tuple[Store, Connection]]:
    with tempfile.TemporaryDirectory() as folder:
        staged = Store(store.name, store.schema, f"sqlite:///{folder}/staged.sqlite3")
        engine = sql_tables.writing_engine(staged, Path(folder))
        try:
            with engine.connect() as connection:
                yield staged, connection
        finally:
            engine.dispose()
