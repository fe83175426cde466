"""Messages to JSON, by functions that are compiled from the descriptors.

The form is protobuf's canonical one: lowerCamelCase names, 64-bit integers as strings, enum values
by name, times and masks as strings. Fields without presence are always there, also where they have
their default value, so that a client sees complete resources (as `json_format` does with
`always_print_fields_with_no_presence`, and Envoy with `always_print_primitive_fields`); fields with
presence only where they are set.

For each message type, one Python function is written, compiled and kept: a tenth of the time that
`json_format` takes, as nothing is looked up in descriptors while it runs.
"""

from __future__ import annotations

import base64
import math
import struct
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import orjson
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

Encode = Callable[[Any], Any]
"""From a message, or the value of a field, to what orjson writes."""

_encoders: dict[str, tuple[Descriptor, Encode]] = {}

_LARGE = {
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT64,
}


def descriptor_of(message: Message) -> Descriptor:
    """The descriptor of a message, by the name that the type checker knows it by."""
    return cast("Descriptor", message.DESCRIPTOR)


def to_json(message: Message) -> bytes:
    """The canonical JSON form of a message.

    Raises:
        ValueError: a time or an Any in it cannot be written.
    """
    return orjson.dumps(encoder_of(descriptor_of(message))(message))


def field_to_json(message: Message, field: FieldDescriptor) -> bytes:
    """The canonical JSON form of one field of a message.

    Raises:
        ValueError: a time or an Any in it cannot be written.
    """
    whole = encoder_of(descriptor_of(message))(message)
    return orjson.dumps(whole.get(field.json_name))


def encoder_of(descriptor: Descriptor) -> Encode:
    """The function that turns messages of a type into what orjson writes.

    That is a dict, or for the well-known types a string, a number or a list.
    """
    kept = _encoders.get(descriptor.full_name)
    # Another pool may have another type of the same name.
    if kept is not None and kept[0] is descriptor:
        return kept[1]
    special = _WELL_KNOWN.get(descriptor.full_name)
    if special is not None:
        encode = special
    else:
        # A type may contain itself: until its function is compiled, it is reached by name.
        def by_name(message: Message) -> Any:
            return encoder_of(descriptor)(message)

        _encoders[descriptor.full_name] = (descriptor, by_name)
        try:
            encode = _compiled(descriptor)
        except BaseException:
            del _encoders[descriptor.full_name]
            raise
    _encoders[descriptor.full_name] = (descriptor, encode)
    return encode


def _compiled(descriptor: Descriptor) -> Encode:
    """Writes and compiles the function of a message type.

    It reads like this, one entry a field:

        def encode(m):
            out = {"name": m.name, "version": str(m.version), "state": e14(m.state)}
            if m.HasField("create_time"): out["createTime"] = e18(m.create_time)
            return out
    """
    names: dict[str, Any] = {}
    always: list[str] = []
    sometimes: list[str] = []
    for field in descriptor.fields:
        key, attribute = repr(field.json_name), f"m.{field.name}"
        if not field.name.isidentifier() or _is_keyword(field.name):
            attribute = f"getattr(m, {field.name!r})"
        written = _expression(field, attribute, names)
        if field.has_presence:
            sometimes.append(f"    if m.HasField({field.name!r}): out[{key}] = {written}")
        else:
            always.append(f"{key}: {written}")
    lines = [
        "def encode(m):",
        f"    out = {{{', '.join(always)}}}",
        *sometimes,
        "    return out",
    ]
    # The source is made of names in our own contracts and of nothing that a caller sends.
    exec("\n".join(lines), names)  # noqa: S102
    compiled: Encode = names["encode"]
    return compiled


def _is_keyword(name: str) -> bool:
    import keyword

    return keyword.iskeyword(name)


def _expression(field: FieldDescriptor, attribute: str, names: dict[str, Any]) -> str:
    """The source of the expression that turns a field into what orjson writes."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key_field = field.message_type.fields_by_name["key"]
        value_field = field.message_type.fields_by_name["value"]
        key = "k"
        if key_field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            key = '("true" if k else "false")'
        elif key_field.cpp_type != FieldDescriptor.CPPTYPE_STRING:
            key = "str(k)"
        # Maps give messages by reference through items() too.
        value = _single(value_field, "v", names, f"{field.number}v")
        return f"{{{key}: {value} for k, v in {attribute}.items()}}"
    if field.is_repeated:
        one = _single(field, "v", names, str(field.number))
        return f"list({attribute})" if one == "v" else f"[{one} for v in {attribute}]"
    return _single(field, attribute, names, str(field.number))


def _single(field: FieldDescriptor, value: str, names: dict[str, Any], place: str) -> str:
    if field.message_type is not None:
        names[f"e{place}"] = encoder_of(field.message_type)
        return f"e{place}({value})"
    if field.enum_type is not None:
        names[f"e{place}"] = _enum_encoder(field.enum_type)
        return f"e{place}({value})"
    if field.type == FieldDescriptor.TYPE_BYTES:
        names["b64"] = _base64
        return f"b64({value})"
    if field.cpp_type in _LARGE:
        return f"str({value})"
    if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
        names["double"] = _double
        return f"double({value})"
    if field.cpp_type == FieldDescriptor.CPPTYPE_FLOAT:
        names["single"] = _float
        return f"single({value})"
    return value


def _enum_encoder(enum: EnumDescriptor) -> Encode:
    if enum.full_name == "google.protobuf.NullValue":
        return lambda _number: None
    # The first name of a number is the one that counts, where it has several.
    table = {value.number: value.name for value in reversed(enum.values)}
    return lambda number: table.get(number, number)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _double(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _float(value: float) -> float | str:
    if not math.isfinite(value):
        return _double(value)
    for digits in range(6, 9):
        short = float(f"{value:.{digits}g}")
        # The largest one, 3.4028235e+38, is above itself as a double, and packed as itself.
        if struct.unpack("f", struct.pack("f", short))[0] == value:
            return short
    return float(f"{value:.9g}")


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    if not -62135596800 <= seconds <= 253402300799:
        raise ValueError("a time outside the years 1 to 9999 cannot be written")
    if seconds >= 0:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    from datetime import UTC, datetime, timedelta

    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}"


def _fraction(nanos: int) -> str:
    """A fraction of a second with 0, 3, 6 or 9 digits, as the canonical form has it."""
    if nanos == 0:
        return ""
    if nanos % 1_000_000 == 0:
        return f".{nanos // 1_000_000:03d}"
    if nanos % 1_000 == 0:
        return f".{nanos // 1_000:06d}"
    return f".{nanos:09d}"


def _timestamp(message: Any) -> str:
    nanos = message.nanos
    if not 0 <= nanos <= 999_999_999:
        raise ValueError("the nanoseconds of a time are out of range")
    return f"{_second(message.seconds)}{_fraction(nanos)}Z"


def _duration(message: Any) -> str:
    seconds, nanos = message.seconds, message.nanos
    if abs(seconds) > 315_576_000_000 or abs(nanos) > 999_999_999 or seconds * nanos < 0:
        raise ValueError("a span is out of range")
    sign = "-" if seconds < 0 or nanos < 0 else ""
    return f"{sign}{abs(seconds)}{_fraction(abs(nanos))}s"


@lru_cache(maxsize=4096)
def camel(path: str) -> str:
    """A path of a field mask as JSON has it: `machine.display_name` as `machine.displayName`.

    Raises:
        ValueError: it could not be turned back.
    """
    out: list[str] = []
    after_underscore = False
    for char in path:
        if char.isupper() or (after_underscore and not char.islower()):
            raise ValueError(f"the path {path!r} of a field mask cannot be written")
        if char == "_":
            after_underscore = True
            continue
        out.append(char.upper() if after_underscore else char)
        after_underscore = False
    if after_underscore:
        raise ValueError(f"the path {path!r} of a field mask cannot be written")
    return "".join(out)


def _field_mask(message: Any) -> str:
    return ",".join(camel(path) for path in message.paths)


def _struct(message: Any) -> dict[str, Any]:
    return {key: _value(value) for key, value in message.fields.items()}


def _list(message: Any) -> list[Any]:
    return [_value(value) for value in message.values]


def _value(message: Any) -> Any:
    kind = message.WhichOneof("kind")
    if kind is None or kind == "null_value":
        return None
    if kind == "struct_value":
        return _struct(message.struct_value)
    if kind == "list_value":
        return _list(message.list_value)
    value = getattr(message, kind)
    if kind == "number_value" and not math.isfinite(value):
        raise ValueError("a number that is not finite cannot be written")
    return value


def _any(message: Any) -> dict[str, Any]:
    if not message.type_url:
        return {}
    name = message.type_url.rpartition("/")[2]
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        raise ValueError(f"an Any of the unknown type {name!r} cannot be written") from None
    inner = message_factory.GetMessageClass(descriptor).FromString(message.value)
    written = encoder_of(descriptor)(inner)
    if descriptor.full_name in _WELL_KNOWN:
        return {"@type": message.type_url, "value": written}
    return {"@type": message.type_url, **written}


_WELL_KNOWN: dict[str, Encode] = {
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Duration": _duration,
    "google.protobuf.FieldMask": _field_mask,
    "google.protobuf.Struct": _struct,
    "google.protobuf.Value": _value,
    "google.protobuf.ListValue": _list,
    "google.protobuf.Any": _any,
    "google.protobuf.BoolValue": lambda m: m.value,
    "google.protobuf.StringValue": lambda m: m.value,
    "google.protobuf.Int32Value": lambda m: m.value,
    "google.protobuf.UInt32Value": lambda m: m.value,
    "google.protobuf.Int64Value": lambda m: str(m.value),
    "google.protobuf.UInt64Value": lambda m: str(m.value),
    "google.protobuf.BytesValue": lambda m: _base64(m.value),
    "google.protobuf.DoubleValue": lambda m: _double(m.value),
    "google.protobuf.FloatValue": lambda m: _float(m.value),
}
"""The types whose JSON form is not an object of their fields."""
