"""A store as backups, restores and migrations see it, whatever it is made of."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, MetaData

from allocctl.keeping import revisions, sql_tables
from allocctl.keeping.rows import Kind
from allocctl.keeping.sql_tables import Shape
from chassis.serving import Store
from chassis.sql.engines import path_of
from chassis.sql.translation import driver_errors_as_faults


class KeptStore(Protocol):
    """A store that is read, all of it at one moment.

    Attributes:
        revision: of the tables that its rows are of; None where there is no schema.
        schema: the revision that the store itself is at, None where there is none; and the newest.
    """

    revision: str | None
    schema: tuple[str | None, str]

    def shapes(self) -> list[Shape]:
        """Its tables."""
        ...

    def rows(self, shape: Shape) -> Iterator[Mapping[str, Any]]:
        """The rows of a table, a bounded number of them in memory."""
        ...

    def counts(self) -> Mapping[str, int]:
        """How many rows each table has that an archive would keep."""
        ...


class FillableStore(Protocol):
    """An empty store that is filled."""

    def begin(self, revision: str) -> None:
        """Makes its tables as they were at a revision."""
        ...

    def load(
        self, table: str, kinds: Mapping[str, Kind], lines: Iterable[Mapping[str, Any]]
    ) -> int:
        """Fills a table; gives how many rows there were."""
        ...

    def finish(self) -> None:
        """Brings the store to the newest revision."""
        ...


@contextmanager
def open_kept_store(store: Store, folder: Path) -> Iterator[KeptStore]:
    """Opens a store to be read; its file, where it is one, must be there.

    Raises:
        Unavailable: it does not answer.
    """
    if store.is_documents:
        from allocctl.keeping.documents import open_kept_documents

        with open_kept_documents(store) as documents:
            yield documents
        return
    if store.is_wide_rows:
        from allocctl.keeping.wide_rows import open_kept_wide_rows

        with open_kept_wide_rows(store) as staged:
            if staged is None:
                yield _Absent(store)
            else:
                with sql_tables.snapshot(sql_tables.engine_of(staged, folder)) as connection:
                    yield _SqlKept(staged, connection)
        return
    with (
        driver_errors_as_faults(path_of(store.url_in(folder))),
        sql_tables.snapshot(sql_tables.engine_of(store, folder)) as connection,
    ):
        yield _SqlKept(store, connection)


@contextmanager
def open_fillable_store(store: Store, folder: Path) -> Iterator[FillableStore]:
    """Opens a store to be filled.

    Raises:
        Unavailable: it does not answer.
    """
    if store.is_documents:
        from allocctl.keeping.documents import open_fillable_documents

        with open_fillable_documents(store) as documents:
            yield documents
        return
    if store.is_wide_rows:
        from allocctl.keeping.wide_rows import open_fillable_wide_rows

        with open_fillable_wide_rows(store) as (staged, connection, write):
            yield _SqlFillable(staged, connection, write)
        return
    engine = sql_tables.writing_engine(store, folder)
    try:
        with driver_errors_as_faults(path_of(store.url_in(folder))), engine.connect() as connection:
            yield _SqlFillable(store, connection)
    finally:
        engine.dispose()


def rows_beyond_new(store: Store, kept: KeptStore) -> Mapping[str, int]:
    """The tables of a store that hold more than a new one does, and how many rows they have."""
    if store.is_documents or kept.revision not in revisions.revisions_of(store.schema):
        return {name: rows for name, rows in kept.counts().items() if rows}
    with _new(store.schema, kept.revision) as connection:
        new = sql_tables.row_counts(connection)
    return {name: rows for name, rows in kept.counts().items() if rows > new.get(name, 0)}


class _SqlKept:
    """A SQL store, on a connection that sees one snapshot."""

    def __init__(self, store: Store, connection: Connection) -> None:
        self._store = store
        self._connection = connection
        self.revision = sql_tables.revision_of(connection)
        self.schema = (self.revision, revisions.revisions_of(store.schema)[-1])

    def shapes(self) -> list[Shape]:
        """See `KeptStore`."""
        return sql_tables.shapes(self._connection, self._store)

    def rows(self, shape: Shape) -> Iterator[Mapping[str, Any]]:
        """See `KeptStore`."""
        return sql_tables.rows_of(self._connection, shape)

    def counts(self) -> Mapping[str, int]:
        """See `KeptStore`."""
        return sql_tables.row_counts(self._connection)


class _Absent:
    """A store that is not there yet."""

    def __init__(self, store: Store) -> None:
        self.revision: str | None = None
        newest = revisions.revisions_of(store.schema)[-1]
        self.schema: tuple[str | None, str] = (None, newest)

    def shapes(self) -> list[Shape]:
        """See `KeptStore`."""
        return []

    def rows(self, shape: Shape) -> Iterator[Mapping[str, Any]]:
        """See `KeptStore`."""
        raise LookupError(shape.name)

    def counts(self) -> Mapping[str, int]:
        """See `KeptStore`."""
        return {}


class _SqlFillable:
    """A SQL store that is filled, a table at a time."""

    def __init__(
        self, store: Store, connection: Connection, finished: Callable[[], None] = lambda: None
    ) -> None:
        self._store = store
        self._connection = connection
        self._finished = finished

    def begin(self, revision: str) -> None:
        """See `FillableStore`."""
        there = sql_tables.revision_of(self._connection)
        if there is not None and there != revision:
            # Empty, but of another revision than the rows that come.
            with _new(self._store.schema, there) as new:
                made = MetaData()
                made.reflect(new)
            made.drop_all(self._connection)
        revisions.upgrade(self._connection, self._store.schema, revision)
        self._connection.commit()

    def load(
        self, table: str, kinds: Mapping[str, Kind], lines: Iterable[Mapping[str, Any]]
    ) -> int:
        """See `FillableStore`."""
        loaded = sql_tables.load(self._connection, table, kinds, lines)
        self._connection.commit()
        return loaded

    def finish(self) -> None:
        """See `FillableStore`."""
        newest = revisions.revisions_of(self._store.schema)[-1]
        revisions.upgrade(self._connection, self._store.schema, newest)
        self._connection.commit()
        self._finished()


@contextmanager
def _new(schema: str, revision: str) -> Iterator[Connection]:
    """A connection to a store of a schema as a migration makes it: what is in it belongs to it."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store("new", schema, f"sqlite:///{folder}/new.sqlite3")
        engine = sql_tables.writing_engine(store, Path(folder))
        try:
            with engine.connect() as connection:
                revisions.upgrade(connection, schema, revision)
                yield connection
        finally:
            engine.dispose()
