"""Rows as lines of JSON, the same whatever the store is made of.

Text, numbers and booleans are what they are in JSON; bytes are base64, instants RFC 3339 with
milliseconds, documents the JSON that they are. Which column is what stands in the manifest, so that
an archive is understood without the program that wrote it.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import BigInteger, Boolean, Float, LargeBinary, Text, types
from sqlalchemy.types import TypeEngine

from chassis.clock.instants import rfc3339
from chassis.sql import Instant, JsonText


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    BYTES = "bytes"
    INSTANT = "instant"
    DOCUMENT = "document"


TYPES: Mapping[Kind, TypeEngine[Any]] = {
    Kind.TEXT: Text(),
    Kind.INTEGER: BigInteger(),
    Kind.NUMBER: Float(),
    Kind.BOOLEAN: Boolean(),
    Kind.BYTES: LargeBinary(),
    Kind.INSTANT: Instant(),
    Kind.DOCUMENT: JsonText(),
}
"""How each kind is written and read in SQL."""

_WRITE: Mapping[Kind, Callable[[Any], object]] = {
    Kind.BYTES: lambda value: b64encode(value).decode("ascii"),
    Kind.INSTANT: rfc3339,
}
_READ: Mapping[Kind, Callable[[Any], object]] = {
    Kind.BYTES: b64decode,
    Kind.INSTANT: datetime.fromisoformat,
}


def kind_of(kind: TypeEngine[Any]) -> Kind:
    """What a column of a SQL type holds.

    Raises:
        TypeError: no archive can hold it yet.
    """
    # Our own types first: they say more than what they are kept as.
    for type_, found in (
        (Instant, Kind.INSTANT),
        (JsonText, Kind.DOCUMENT),
        (types.Boolean, Kind.BOOLEAN),
        (types.Integer, Kind.INTEGER),
        (types.Numeric, Kind.NUMBER),
        (types._Binary, Kind.BYTES),  # noqa: SLF001 - what BLOB and VARBINARY have in common
        (types.String, Kind.TEXT),
    ):
        if isinstance(kind, type_):
            return found
    raise TypeError(f"a column of type {kind!r} cannot be kept in an archive")


def line_of(row: Mapping[str, Any], kinds: Mapping[str, Kind]) -> bytes:
    """A row as a line."""
    shown = {
        name: value if value is None or kind not in _WRITE else _WRITE[kind](value)
        for name, kind in kinds.items()
        for value in (row[name],)
    }
    return orjson.dumps(shown) + b"\n"


def row_of(line: Mapping[str, Any], kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """The row that a line holds."""
    return {
        name: value if value is None or kind not in _READ else _READ[kind](value)
        for name, kind in kinds.items()
        for value in (line[name],)
    }
