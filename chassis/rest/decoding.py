"""JSON to messages, with the path of the field in every complaint.

All that canonical protobuf JSON allows is read: both spellings of a name, integers as strings, enum
values by name or number, null for "not set". All that it does not know is refused, with its path.
The well-known types that are strings or free-form JSON are read by `json_format`.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import orjson
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from chassis.faults import FieldViolation, Invalid
from chassis.rest.encoding import descriptor_of

MAX_DEPTH = 64
"""How deep messages may be nested in JSON."""

# A place is the list of the names and indexes that lead to a value; text only once it is needed.
Place = tuple[str | int, ...]

_INTEGERS: dict[int, tuple[int, int]] = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_FLOAT_END = float.fromhex("0x1.ffffffp+127")
"""From here on a number is infinite as a float: the largest one is written a little above itself."""
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WRAPPERS = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in (
        "Bool",
        "String",
        "Bytes",
        "Int32",
        "UInt32",
        "Int64",
        "UInt64",
        "Float",
        "Double",
    )
)
_TEXTS = {
    "google.protobuf.Timestamp": "a time in UTC like 2026-01-31T12:00:00Z",
    "google.protobuf.Duration": "a number of seconds like 1.5s",
    "google.protobuf.FieldMask": "names of fields joined by commas",
}
_FREE = frozenset(f"google.protobuf.{kind}" for kind in ("Struct", "Value", "ListValue", "Any"))


def path_text(place: Place) -> str:
    """A place as people write it: `machine.ports[0].number`."""
    text = ""
    for one in place:
        text += f"[{one}]" if isinstance(one, int) else f".{one}" if text else one
    return text


def refuse(place: Place, message: str) -> NoReturn:
    """Says what is wrong with a field.

    Raises:
        Invalid: always.
    """
    field = path_text(place)
    named = f"{field}: {message}" if field else message
    raise Invalid(f"The request is not valid: {named}.", fields=[FieldViolation(field, message)])


def parse_json(body: bytes) -> Any:
    """The JSON value of a body.

    Raises:
        Invalid: it is not JSON in UTF-8, or is nested too deeply.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        refuse((), f"the body is not JSON in UTF-8, from {where} on")


@dataclass(frozen=True, slots=True)
class _Entry:
    """How one field is read."""

    field: FieldDescriptor
    name: str
    read: Callable[[Message, Any, Place, int], None]


_tables: dict[str, tuple[Descriptor, dict[str, _Entry]]] = {}


def read_message(message: Message, value: Any, place: Place = (), depth: int = 0) -> None:
    """Reads a JSON value into an empty message.

    Args:
        message: is filled.
        value: what `orjson.loads` gave.
        place: where the value is in the request, for complaints.
        depth: how deep it is nested already.

    Raises:
        Invalid: the value does not fit the message; the field is named.
    """
    descriptor = descriptor_of(message)
    full_name = descriptor.full_name
    if full_name.startswith("google.protobuf."):
        if full_name in _WRAPPERS:
            inner = descriptor.fields_by_name["value"]
            setattr(message, "value", scalar(inner, value, place))  # noqa: B010
            message.SetInParent()
            return
        if full_name in _TEXTS or full_name in _FREE:
            _read_well_known(message, value, place)
            return
    if depth > MAX_DEPTH:
        refuse(place, f"is nested deeper than {MAX_DEPTH} levels")
    if not isinstance(value, dict):
        refuse(place, f"is to be an object, not {_kind_of(value)}")
    table = _table_of(descriptor)
    # An empty object still says that the field is there.
    message.SetInParent()
    seen: set[str] = set()
    for key, item in value.items():
        entry = table.get(key)
        if entry is None:
            refuse((*place, key), "there is no such field")
        if entry.name in seen:
            refuse((*place, entry.name), "is given twice")
        seen.add(entry.name)
        entry.read(message, item, (*place, entry.name), depth + 1)


def field_named(descriptor: Descriptor, name: str) -> FieldDescriptor | None:
    """The field of a message type that has this name, as in JSON or as in the contract."""
    entry = _table_of(descriptor).get(name)
    return None if entry is None else entry.field


def _read_well_known(message: Message, value: Any, place: Place) -> None:
    full_name = message.DESCRIPTOR.full_name
    expected = _TEXTS.get(full_name)
    if expected is not None and not isinstance(value, str):
        refuse(place, f"is to be {expected}, not {_kind_of(value)}")
    try:
        json_format.ParseDict(value, message, max_recursion_depth=MAX_DEPTH)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, KeyError):
        refuse(place, f"is to be {expected or 'JSON of another form'}")
    message.SetInParent()


def _table_of(descriptor: Descriptor) -> dict[str, _Entry]:
    kept = _tables.get(descriptor.full_name)
    if kept is not None and kept[0] is descriptor:
        return kept[1]
    table: dict[str, _Entry] = {}
    for field in descriptor.fields:
        entry = _Entry(field, field.name, _reader(field))
        table[field.name] = entry
        table[field.json_name] = entry
    _tables[descriptor.full_name] = (descriptor, table)
    return table


def _reader(field: FieldDescriptor) -> Callable[[Message, Any, Place, int], None]:
    name = field.name
    oneof = field.containing_oneof
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _map_reader(field)
    if field.is_repeated:
        return _list_reader(field)
    takes_null = _takes_null(field)

    def check_oneof(message: Message, place: Place) -> None:
        if oneof is not None and (other := message.WhichOneof(oneof.name)) is not None:
            refuse(place, f"excludes {other}, which is given too")

    if field.message_type is not None:

        def read_inner(message: Message, value: Any, place: Place, depth: int) -> None:
            if value is None and not takes_null:
                return
            check_oneof(message, place)
            read_message(getattr(message, name), value, place, depth)

        return read_inner

    def read_scalar(message: Message, value: Any, place: Place, _depth: int) -> None:
        if value is None and not takes_null:
            return
        check_oneof(message, place)
        setattr(message, name, scalar(field, value, place))

    return read_scalar


def _takes_null(field: FieldDescriptor) -> bool:
    """Whether null is a value of the field, and not its absence."""
    if field.message_type is not None:
        return field.message_type.full_name == "google.protobuf.Value"
    return field.enum_type is not None and field.enum_type.full_name == "google.protobuf.NullValue"


def _list_reader(field: FieldDescriptor) -> Callable[[Message, Any, Place, int], None]:
    name = field.name
    is_message = field.message_type is not None
    takes_null = _takes_null(field)

    def read_list(message: Message, value: Any, place: Place, depth: int) -> None:
        if value is None:
            return
        if not isinstance(value, list):
            refuse(place, f"is to be a list, not {_kind_of(value)}")
        into = getattr(message, name)
        for index, item in enumerate(value):
            here = (*place, index)
            if item is None and not takes_null:
                refuse(here, "is null, which an item of a list may not be")
            if is_message:
                read_message(into.add(), item, here, depth)
            else:
                into.append(scalar(field, item, here))

    return read_list


def _map_reader(field: FieldDescriptor) -> Callable[[Message, Any, Place, int], None]:
    name = field.name
    assert field.message_type is not None
    keys = field.message_type.fields_by_name["key"]
    values = field.message_type.fields_by_name["value"]

    def read_map(message: Message, value: Any, place: Place, depth: int) -> None:
        if value is None:
            return
        if not isinstance(value, dict):
            refuse(place, f"is to be an object, not {_kind_of(value)}")
        into = getattr(message, name)
        for text, item in value.items():
            here = (*place[:-1], f"{place[-1]}[{text}]")
            if item is None and not _takes_null(values):
                refuse(here, "is null, which a value of a map may not be")
            key = scalar_from_text(keys, text, here)
            if values.message_type is not None:
                read_message(into[key], item, here, depth)
            else:
                into[key] = scalar(values, item, here)

    return read_map


def scalar(field: FieldDescriptor, value: Any, place: Place) -> Any:
    """The value of a field that is no message, from its JSON value.

    Raises:
        Invalid: it does not fit the field.
    """
    limits = _INTEGERS.get(field.cpp_type)
    if limits is not None:
        return _integer(value, limits, place)
    cpp_type = field.cpp_type
    if cpp_type == FieldDescriptor.CPPTYPE_STRING:
        if not isinstance(value, str):
            expected = "base64" if field.type == FieldDescriptor.TYPE_BYTES else "a string"
            refuse(place, f"is to be {expected}, not {_kind_of(value)}")
        return _bytes(value, place) if field.type == FieldDescriptor.TYPE_BYTES else value
    if cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        if not isinstance(value, bool):
            refuse(place, f"is to be true or false, not {_kind_of(value)}")
        return value
    if cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return _enum(field, value, place)
    return _real(field, value, place)


def scalar_from_text(field: FieldDescriptor, text: str, place: Place) -> Any:
    """The value of a field that is no message, from text: of a path, a query, a key of a map.

    Raises:
        Invalid: it does not fit the field.
    """
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        if text not in ("true", "false"):
            refuse(place, "is to be true or false")
        return text == "true"
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM and _WHOLE.fullmatch(text):
        return _enum(field, int(text[:20]), place)
    return scalar(field, text, place)


def _integer(value: Any, limits: tuple[int, int], place: Place) -> int:
    if isinstance(value, str) and len(value) <= 40 and _NUMBER.fullmatch(value):
        value = int(value) if _WHOLE.fullmatch(value) else float(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**64:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        refuse(place, f"is to be an integer, not {_kind_of(value)}")
    if not limits[0] <= value <= limits[1]:
        refuse(place, f"is to be from {limits[0]} to {limits[1]}")
    return value


def _real(field: FieldDescriptor, value: Any, place: Place) -> float:
    if isinstance(value, str):
        if value in ("NaN", "Infinity", "-Infinity"):
            return float(value.replace("Infinity", "inf"))
        if len(value) <= 400 and _NUMBER.fullmatch(value):
            value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse(place, f"is to be a number, not {_kind_of(value)}")
    number = float(value)
    end = _FLOAT_END if field.cpp_type == FieldDescriptor.CPPTYPE_FLOAT else math.inf
    if abs(number) >= end:
        refuse(place, "is out of range")
    return number


def _enum(field: FieldDescriptor, value: Any, place: Place) -> int:
    enum = field.enum_type
    assert enum is not None
    if value is None:
        return 0
    if isinstance(value, str):
        found = enum.values_by_name.get(value)
        if found is None:
            known = ", ".join(one.name for one in list(enum.values)[:12])
            refuse(place, f"is to be one of {known}")
        return int(found.number)
    if isinstance(value, bool) or not isinstance(value, int):
        refuse(place, f"is to be the name of a value, not {_kind_of(value)}")
    if not -(2**31) <= value < 2**31 or (enum.is_closed and value not in enum.values_by_number):
        refuse(place, "is no number of a value")
    return value


def _bytes(value: str, place: Place) -> bytes:
    text = value.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        refuse(place, "is to be base64")


def _kind_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "this text"
        case list():
            return "a list"
        case _:
            return "an object"
