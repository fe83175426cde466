"""Column types that mean the same on every engine."""

# ruff: noqa: ARG002 - SQLAlchemy gives every type the dialect

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import BigInteger, Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

from chassis.clock.instants import instant_of, millis_of

RowNumber: TypeEngine[int] = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database gives to each new row. On SQLite only INTEGER counts by itself."""


class Instant(TypeDecorator[datetime]):
    """An aware instant in UTC, kept as whole milliseconds since 1970 in a BIGINT.

    Instants sort, compare and index as the numbers that they are. What is below a millisecond is cut
    off. An instant without a time zone is refused with ValueError.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """From Python to the database."""
        return None if value is None else millis_of(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """From the database to Python."""
        return None if value is None else instant_of(value)


class JsonText(TypeDecorator[Any]):
    """Dicts, lists, text, numbers, bools and None as JSON in a text column, up to 16 MB.

    None is kept as NULL. Keys are sorted, so that equal values are equal text.
    """

    impl = Text(2**24 - 1)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """From Python to the database."""
        return None if value is None else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """From the database to Python."""
        return None if value is None else orjson.loads(value)
