"""A database of documents, as the tables that its collections stand for."""

from __future__ import annotations

import asyncio
import importlib
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from allocctl.keeping import revisions, sql_tables
from allocctl.keeping.rows import Kind, kind_of
from allocctl.keeping.sql_tables import Shape
from chassis.clock import SystemClock
from chassis.documents import CollectionSpec, Documents, dump, load, open_documents, schema_revision
from chassis.documents.opening import connect
from chassis.serving import Store

T = TypeVar("T")

_AT_ONCE = 200
_COUNT_SECONDS = 60.0


class KeptDocuments:
    """Documents that are read; each of one moment, all of them not."""

    def __init__(self, store: Store, documents: Documents, runner: asyncio.Runner) -> None:
        """Reads an open database in an event loop of its own."""
        self._documents = documents
        self._runner = runner
        self._specs = _specs(store.schema)
        self.schema = runner.run(schema_revision(store.url, store.schema))
        # Rows are those of the tables that the program knows.
        newest = revisions.revisions_of(store.schema)[-1]
        self.revision = None if self.schema[0] is None else newest

    def shapes(self) -> list[Shape]:
        """See `KeptStore`."""
        return [
            Shape(
                str(spec.name),
                {str(column.name): kind_of(column.type) for column in spec.table.columns},
                tuple(column.name for column in spec.table.primary_key),
            )
            for spec in self._specs
        ]

    def rows(self, shape: Shape) -> Iterator[Mapping[str, Any]]:
        """See `KeptStore`."""
        spec = next(one for one in self._specs if one.name == shape.name)
        rows = aiter(dump(self._documents, spec))
        while some := self._runner.run(_next(rows)):
            yield from some

    def counts(self) -> Mapping[str, int]:
        """See `KeptStore`."""
        return self._runner.run(self._counts())

    async def _counts(self) -> Mapping[str, int]:
        counted = {}
        for spec in self._specs:
            if not spec.outbox_of:
                async with self._documents.work(_COUNT_SECONDS) as database:
                    counted[spec.name] = await database[spec.name].count_documents(dict(spec.shown))
        return counted


class FillableDocuments:
    """An empty database of documents that is filled.

    Rows go through tables first: there they are brought to the newest revision.
    """

    def __init__(
        self, store: Store, documents: Documents, runner: asyncio.Runner, folder: Path
    ) -> None:
        """Fills an open database, at the newest schema.

        Args:
            store: which.
            documents: open.
            runner: of its event loop.
            folder: for the tables.
        """
        self._documents = documents
        self._runner = runner
        self._specs = _specs(store.schema)
        self._staged = Store(
            store.name, store.schema, f"sqlite:///{(folder / 'staged.sqlite3').resolve()}"
        )
        self._engine = sql_tables.writing_engine(self._staged, folder)
        self._connection = self._engine.connect()

    def begin(self, revision: str) -> None:
        """See `FillableStore`."""
        revisions.upgrade(self._connection, self._staged.schema, revision)
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
        newest = revisions.revisions_of(self._staged.schema)[-1]
        revisions.upgrade(self._connection, self._staged.schema, newest)
        self._connection.commit()
        found = {one.name: one for one in sql_tables.shapes(self._connection, self._staged)}
        for spec in self._specs:
            rows = sql_tables.rows_of(self._connection, found[spec.name])
            self._runner.run(self._load(spec, rows))

    def close(self) -> None:
        """Closes the tables."""
        self._connection.close()
        self._engine.dispose()

    async def _load(self, spec: CollectionSpec, rows: Iterator[Mapping[str, Any]]) -> None:
        async def one_by_one() -> AsyncIterator[Mapping[str, Any]]:
            for row in rows:
                yield dict(row)

        await load(self._documents, spec, one_by_one())


@contextmanager
def open_kept_documents(store: Store) -> Iterator[KeptDocuments]:
    """Opens a database of documents to be read, whatever its revision.

    Raises:
        Unavailable: the server does not answer.
    """
    with asyncio.Runner() as runner:
        documents = runner.run(_made(store))
        try:
            yield KeptDocuments(store, documents, runner)
        finally:
            runner.run(documents.close())


@contextmanager
def open_fillable_documents(store: Store) -> Iterator[FillableDocuments]:
    """Opens a database of documents to be filled, at the newest revision.

    Raises:
        Unavailable: the server does not answer.
    """
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory() as folder:
        documents = runner.run(open_documents(store.url, store.schema, SystemClock(), migrate=True))
        try:
            fillable = FillableDocuments(store, documents, runner, Path(folder))
            try:
                yield fillable
            finally:
                fillable.close()
        finally:
            runner.run(documents.close())


async def _made(store: Store) -> Documents:
    return connect(store.url)


async def _next(rows: AsyncIterator[T]) -> list[T]:
    """The next rows; none at the end."""
    found: list[T] = []
    async for row in rows:
        found.append(row)
        if len(found) == _AT_ONCE:
            break
    return found


def _specs(schema: str) -> tuple[CollectionSpec, ...]:
    found: tuple[CollectionSpec, ...] = tuple(
        importlib.import_module(f"{schema}.documents").COLLECTIONS
    )
    return found
