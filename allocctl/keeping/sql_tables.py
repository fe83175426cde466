"""The tables of a SQL store: what is in them, out of them and into them."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    MetaData,
    Table,
    and_,
    func,
    insert,
    inspect,
    literal,
    or_,
    select,
    text,
)

from allocctl.keeping.rows import TYPES, Kind, kind_of, row_of
from chassis.serving import Store
from chassis.sql.engines import make_sqlite_file, path_of, sqlite_engine
from chassis.sql.migrations import migrating_engine
from chassis.sql.servers import server_engine

REVISION_TABLE = "alembic_version"
NOT_KEPT = frozenset({REVISION_TABLE, "leases", "machine_words", "directories", "entries"})
"""Tables that an archive leaves out: the revision stands in the manifest, who leads at the moment means
nothing elsewhere, the words of machines are made from the machines, and the broker's directory from the
bus."""

_FEWEST, _MOST = 20, 2000
_PAGE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Shape:
    """What a table looks like.

    Attributes:
        name: of the table.
        kinds: what each column holds.
        key: the columns of its primary key.
    """

    name: str
    kinds: Mapping[str, Kind]
    key: tuple[str, ...]

    def table(self) -> Table:
        """The table as statements need it, also where the program's own differs by now."""
        columns = [Column(name, TYPES[kind]) for name, kind in self.kinds.items()]
        return Table(self.name, MetaData(), *columns)


def engine_of(store: Store, folder: Path) -> Engine:
    """An engine for reading a SQL store, each connection in one snapshot."""
    url = store.url_in(folder)
    path = path_of(url)
    if path is not None:
        return sqlite_engine(path, begin="BEGIN", query_only=True)
    return server_engine(url, patient=True).execution_options(isolation_level="REPEATABLE READ")


def writing_engine(store: Store, folder: Path) -> Engine:
    """An engine for making and filling the tables of a SQL store."""
    url = store.url_in(folder)
    path = path_of(url)
    if path is not None:
        make_sqlite_file(path)
        return migrating_engine(path)
    return server_engine(url, patient=True)


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A connection on which every read sees the same moment."""
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def revision_of(connection: Connection) -> str | None:
    """The revision of a store; None where it has no schema."""
    if not inspect(connection).has_table(REVISION_TABLE):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def shapes(connection: Connection, store: Store) -> list[Shape]:
    """The tables that the store has, at whatever revision it is.

    Names and keys are the store's; what a column holds, the program's own tables say where they know
    it, since an instant is a mere number to the store.
    """
    known = _own_tables(store.schema)
    looked = inspect(connection)
    found = []
    for name in sorted(set(looked.get_table_names()) - NOT_KEPT):
        own = known.tables.get(name)
        kinds = {
            column["name"]: kind_of(
                own.c[column["name"]].type
                if own is not None and column["name"] in own.c
                else column["type"]
            )
            for column in looked.get_columns(name)
        }
        key = tuple(looked.get_pk_constraint(name)["constrained_columns"])
        found.append(Shape(name, kinds, key))
    return found


def rows_of(connection: Connection, shape: Shape) -> Iterator[Mapping[str, Any]]:
    """The rows of a table by its primary key, a bounded page at a time."""
    table = shape.table()
    key = [table.c[name] for name in shape.key]
    statement = select(table).order_by(*key)
    size = _FEWEST
    last: tuple[Any, ...] | None = None
    while True:
        page = statement if last is None else statement.where(_after(key, last))
        rows = connection.execute(page.limit(size)).mappings().all()
        for row in rows:
            yield dict(row)
        if len(rows) < size:
            return
        last = tuple(rows[-1][column.name] for column in key)
        size = _next_size(rows)


def row_counts(connection: Connection) -> Mapping[str, int]:
    """How many rows each table has, of those that an archive keeps."""
    names = sorted(set(inspect(connection).get_table_names()) - NOT_KEPT)
    return {
        name: int(connection.execute(select(func.count()).select_from(text(name))).scalar_one())
        for name in names
    }


def load(
    connection: Connection, name: str, kinds: Mapping[str, Kind], lines: Iterable[Mapping[str, Any]]
) -> int:
    """Puts rows into an empty table; gives how many there were."""
    table = Shape(name, kinds, ()).table()
    connection.execute(table.delete())
    loaded = 0
    batch: list[dict[str, Any]] = []
    size = 0
    for line in lines:
        row = row_of(line, kinds)
        batch.append(row)
        size += _bytes_of(row)
        if len(batch) == _MOST or size > _PAGE_BYTES:
            connection.execute(insert(table), batch)
            loaded, batch, size = loaded + len(batch), [], 0
    if batch:
        connection.execute(insert(table), batch)
    return loaded + len(batch)


def _own_tables(schema: str) -> MetaData:
    module = importlib.import_module(f"{schema}.tables")
    return next(value for value in vars(module).values() if isinstance(value, MetaData))


def _after(key: list[Column[Any]], last: tuple[Any, ...]) -> ColumnElement[bool]:
    """Whether a row comes after one with these values of the key."""
    ways = [and_(*(key[j] == last[j] for j in range(i)), key[i] > last[i]) for i in range(len(key))]
    # The first column alone narrows the search down: engines use an index for that.
    return and_(key[0] >= literal(last[0], key[0].type), or_(*ways))


def _next_size(rows: Any) -> int:
    """How many rows the next page has, so that it is about as large as a page should be."""
    each = max(1, sum(_bytes_of(row) for row in rows) // len(rows))
    return max(_FEWEST, min(_MOST, _PAGE_BYTES // each))


def _bytes_of(row: Mapping[str, Any]) -> int:
    return sum(len(value) if isinstance(value, str | bytes) else 200 for value in row.values())
