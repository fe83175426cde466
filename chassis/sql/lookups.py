"""Reads by key that skip SQLAlchemy's execution on SQLite.

Executing a compiled statement costs SQLAlchemy 25 µs, whatever it returns; the driver does a read by
key in 4. What calls wait for most often is read with a `Lookup`: SQLAlchemy still writes the SQL and
says how each type is converted, once, and the driver runs it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Dialect, Select

Convert = Callable[[Any], Any] | None


class Lookup:
    """A SELECT of one row by key; run it with `Database.first`.

    Args:
        statement: what is selected; every parameter is a `bindparam` or a plain value.
    """

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement
        self._prepared: _Prepared | None = None

    def first(self, connection: Connection, key: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The first row on any engine, in the connection's transaction; None where there is none."""
        row = connection.execute(self.statement, key).first()
        return None if row is None else tuple(row)

    def first_of_driver(
        self, driver: sqlite3.Connection, dialect: Dialect, key: Mapping[str, Any]
    ) -> tuple[Any, ...] | None:
        """The first row, read by the SQLite driver itself; None where there is none.

        Args:
            driver: its transactions, if any, are the caller's.
            dialect: SQLite's.
            key: the value of each parameter.

        Raises:
            KeyError: a parameter has no value.
            sqlite3.Error: the driver's.
        """
        prepared = self._prepared
        if prepared is None:
            prepared = self._prepared = _Prepared(self.statement, dialect)
        return prepared.first(driver, key)


class _Prepared:
    """A statement's SQL, with what converts its parameters and columns."""

    def __init__(self, statement: Select[Any], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        if compiled.positiontup is None or not isinstance(compiled.string, str):
            raise TypeError("the dialect does not number its parameters")
        if any(bound.expanding for bound in compiled.binds.values()):
            raise TypeError("a lookup has no lists of values")
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
            for column in statement.selected_columns
        ]
        self._is_plain = not any(self._columns)

    def first(self, driver: sqlite3.Connection, key: Mapping[str, Any]) -> tuple[Any, ...] | None:
        values = []
        for name, convert in self._parameters:
            value = key[name] if name in key else self._fixed[name]
            values.append(value if convert is None else convert(value))
        # To its end, so that the statement holds no snapshot any longer.
        rows = driver.execute(self._sql, values).fetchall()
        if not rows:
            return None
        row: tuple[Any, ...] = rows[0]
        if self._is_plain:
            return row
        return tuple(
            value if convert is None else convert(value)
            for value, convert in zip(row, self._columns, strict=True)
        )
