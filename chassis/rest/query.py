"""Query parameters to fields of the request."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from chassis.rest.constraints import is_for_input
from chassis.rest.decoding import Place, field_named, read_message, refuse, scalar_from_text
from chassis.rest.encoding import descriptor_of

MAX_PARAMETERS = 200
"""How many parameters a query may have."""
MAX_NESTING = 8
"""How many names may stand in the path of a parameter."""

_AS_TEXT = frozenset(
    f"google.protobuf.{kind}" for kind in ("Timestamp", "Duration", "FieldMask", "StringValue")
)
_WRAPPED = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Bool", "Bytes", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double")
)


def find_field(descriptor: Descriptor, path: str) -> list[FieldDescriptor] | None:
    """The fields that lead to a path of JSON or proto names; None where there are none."""
    found: list[FieldDescriptor] = []
    at: Descriptor | None = descriptor
    names = path.split(".")
    if len(names) > MAX_NESTING:
        return None
    for name in names:
        if at is None or (found and found[-1].is_repeated):
            return None
        field = field_named(at, name)
        if field is None:
            return None
        found.append(field)
        at = field.message_type
    return found


def is_settable(fields: list[FieldDescriptor]) -> bool:
    """Whether a query can say what the last of the fields is."""
    last = fields[-1]
    if last.message_type is None:
        return True
    return last.message_type.full_name in _AS_TEXT | _WRAPPED


def read_query(
    message: Message, query: bytes, taken: Collection[str], *, body_is_all: bool
) -> None:
    """Reads a query into a request.

    Args:
        message: is filled; what the path and the body say is not in it yet.
        query: as it was sent, without the question mark.
        taken: the paths of fields that the path or the body says.
        body_is_all: whether the body is the whole request, so that no parameter is left.

    Raises:
        Invalid: a parameter is not known, is said elsewhere, or does not fit its field.
    """
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except UnicodeDecodeError:
        refuse((), "the query is not percent-encoded UTF-8")
    except ValueError:
        refuse((), f"the query has more than {MAX_PARAMETERS} parameters")
    single: set[str] = set()
    for name, text in pairs:
        if body_is_all:
            refuse((name,), "there is no such query parameter: the body is the whole request")
        fields = find_field(descriptor_of(message), name)
        if fields is None:
            refuse((name,), "there is no such query parameter")
        path = ".".join(field.name for field in fields)
        if path in taken or fields[0].name in taken:
            refuse((path,), "is said by the path or the body, not by the query")
        if any(is_for_input(field) for field in fields):
            refuse((path,), "is secret: addresses are logged, so send it in a body")
        if not is_settable(fields):
            refuse((path,), "is an object: name the field in it, after a dot")
        if not fields[-1].is_repeated:
            if path in single:
                refuse((path,), "is given twice")
            single.add(path)
        set_from_text(message, fields, text, (path,))


def set_from_text(message: Message, fields: list[FieldDescriptor], text: str, place: Place) -> None:
    """Sets the field that the path of fields leads to, or appends to it where it is a list.

    Raises:
        Invalid: the text does not fit the field.
    """
    parent: Any = message
    for field in fields[:-1]:
        parent = getattr(parent, field.name)
    last = fields[-1]
    for field in fields:
        oneof = field.containing_oneof
        if oneof is not None and field is last:
            other = parent.WhichOneof(oneof.name)
            if other not in (None, field.name):
                refuse(place, f"excludes {other}, which is given too")
    if last.message_type is None:
        value = scalar_from_text(last, text, place)
        if last.is_repeated:
            getattr(parent, last.name).append(value)
        else:
            setattr(parent, last.name, value)
        return
    inner = getattr(parent, last.name).add() if last.is_repeated else getattr(parent, last.name)
    if last.message_type.full_name in _AS_TEXT:
        read_message(inner, text, place)
        return
    inner.value = scalar_from_text(last.message_type.fields_by_name["value"], text, place)
    inner.SetInParent()
