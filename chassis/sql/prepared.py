"""Statements that skip SQLAlchemy's execution on SQLite.

Executing a compiled statement costs SQLAlchemy 25 µs or more, whatever it does; the driver does a read
by key in 4. What calls wait for most often is `Prepared`: SQLAlchemy still writes the SQL and says how
each type is converted, once, and the driver runs it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, Delete, Dialect, Insert, Select, Update

Convert = Callable[[Any], Any] | None
_Statement: TypeAlias = Select[Any] | Insert | Update | Delete
_NOTHING: Mapping[str, Any] = {}


class Prepared:
    """A statement that many calls wait for: a read by key, or a part of a unit of work.

    `Database.first` and `Database.rows` read with it; a unit of work gives it its connection. Not for what
    may break a constraint: that the driver says in words of its own.

    Args:
        statement: every parameter is a `bindparam` or a plain value.
        columns: of an INSERT, those that are given.
    """

    def __init__(self, statement: _Statement, columns: Sequence[str] = ()) -> None:
        self.statement = statement
        self._columns = columns
        self._for_driver: _ForDriver | None = None

    def rows_of_driver(
        self, driver: sqlite3.Connection, dialect: Dialect, values: Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        """What it selects, read by the SQLite driver itself.

        Args:
            driver: its transactions, if any, are the caller's.
            dialect: SQLite's.
            values: of each parameter.

        Raises:
            KeyError: a parameter has no value.
            sqlite3.Error: the driver's.
        """
        return self._on(dialect).rows(driver, values)

    def rows(
        self, connection: Connection, values: Mapping[str, Any] = _NOTHING
    ) -> list[tuple[Any, ...]]:
        """What it selects, in the connection's transaction."""
        if connection.dialect.name != "sqlite":
            return [tuple(row) for row in connection.execute(self.statement, dict(values))]
        return self._on(connection.dialect).rows(_driver_of(connection), values)

    def first(
        self, connection: Connection, values: Mapping[str, Any] = _NOTHING
    ) -> tuple[Any, ...] | None:
        """The first row of it; None where there is none."""
        return next(iter(self.rows(connection, values)), None)

    def change(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Changes what it says, in the connection's transaction; gives of how many rows."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self.statement, dict(values)).rowcount
        return self._on(connection.dialect).change(_driver_of(connection), values)

    def change_each(self, connection: Connection, values: Sequence[Mapping[str, Any]]) -> None:
        """Changes what it says once with each of these values, in the connection's transaction."""
        if connection.dialect.name != "sqlite":
            connection.execute(self.statement, [dict(each) for each in values])
        else:
            self._on(connection.dialect).change_each(_driver_of(connection), values)

    def _on(self, dialect: Dialect) -> _ForDriver:
        if self._for_driver is None:
            self._for_driver = _ForDriver(self.statement, dialect, self._columns)
        return self._for_driver


def _driver_of(connection: Connection) -> sqlite3.Connection:
    driver: Any = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


class _ForDriver:
    """A statement's SQL, with what converts its parameters and columns."""

    def __init__(
        self, statement: _Statement, dialect: Dialect, columns: Sequence[str] = ()
    ) -> None:
        compiled: Any = statement.compile(dialect=dialect, column_keys=columns or None)
        if compiled.positiontup is None or not isinstance(compiled.string, str):
            raise TypeError("the dialect does not number its parameters")
        if any(bound.expanding for bound in compiled.binds.values()):
            raise TypeError("a prepared statement has no lists of values")
        self._sql = compiled.string
        self._fixed = {
            name: bound.value for name, bound in compiled.binds.items() if not bound.required
        }
        self._parameters: list[tuple[str, Convert]] = [
            (name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in compiled.positiontup
        ]
        self._columns: list[Convert] = [
            column.type.dialect_impl(dialect).result_processor(dialect, None)
            for column in (statement.selected_columns if isinstance(statement, Select) else ())
        ]
        self._is_plain = not any(self._columns)

    def rows(self, driver: sqlite3.Connection, key: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        # To its end, so that the statement holds no snapshot any longer.
        rows: list[tuple[Any, ...]] = driver.execute(self._sql, self._values(key)).fetchall()
        if self._is_plain:
            return rows
        return [
            tuple(
                value if convert is None else convert(value)
                for value, convert in zip(row, self._columns, strict=True)
            )
            for row in rows
        ]

    def change(self, driver: sqlite3.Connection, key: Mapping[str, Any]) -> int:
        return driver.execute(self._sql, self._values(key)).rowcount

    def change_each(self, driver: sqlite3.Connection, keys: Sequence[Mapping[str, Any]]) -> None:
        driver.executemany(self._sql, [self._values(key) for key in keys])

    def _values(self, key: Mapping[str, Any]) -> list[Any]:
        values = []
        for name, convert in self._parameters:
            value = key[name] if name in key else self._fixed[name]
            values.append(value if convert is None else convert(value))
        return values
