"""Validation rules of the contract (buf.validate) as JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from importlib import import_module
from itertools import combinations
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chassis.rest.comments import comment_of

Schema = dict[str, Any]

# The module fills itself from a descriptor when it is imported, so no type checker can see into it.
validate_pb2: Any = import_module("buf.validate.validate_pb2")

_FORMATS = {
    "email": "email",
    "hostname": "hostname",
    "ipv4": "ipv4",
    "ipv6": "ipv6",
    "uri": "uri",
    "uri_ref": "uri-reference",
    "uuid": "uuid",
}
_NUMBERS = (
    "int32",
    "int64",
    "uint32",
    "uint64",
    "sint32",
    "sint64",
    "fixed32",
    "fixed64",
    "sfixed32",
    "sfixed64",
    "float",
    "double",
)
_QUOTED = re.compile(r"`([^`{}\s]+)`")
_LONGEST_EXAMPLE = 80


def rules_of(field: FieldDescriptor) -> Any:
    """The validation rules of a field (`buf.validate.FieldRules`)."""
    return field.GetOptions().Extensions[validate_pb2.field]


def sentences_of(message: Descriptor | None, field: FieldDescriptor | None = None) -> list[str]:
    """What rules that JSON Schema cannot say ask for, in their own words."""
    if field is not None:
        rules = rules_of(field)
    elif message is not None:
        rules = message.GetOptions().Extensions[validate_pb2.message]
    else:
        return []
    return [f"{one.message[:1].upper()}{one.message[1:]}." for one in rules.cel if one.message]


def behaviors_of(field: FieldDescriptor) -> frozenset[int]:
    """The `google.api.field_behavior` values of a field."""
    return frozenset(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])


def is_set_by_server(field: FieldDescriptor) -> bool:
    """Whether only the server says what the field is."""
    return not behaviors_of(field).isdisjoint(
        {field_behavior_pb2.OUTPUT_ONLY, field_behavior_pb2.IDENTIFIER}
    )


def is_required(field: FieldDescriptor) -> bool:
    """Whether a request without the field is refused."""
    return field_behavior_pb2.REQUIRED in behaviors_of(field) or bool(rules_of(field).required)


def exclusions_of(message: Descriptor, kept: Collection[str]) -> Schema:
    """What the oneofs of a message say of which fields exclude each other.

    Args:
        message: its type.
        kept: the names of the fields that the schema has.
    """
    said: list[Schema] = []
    for oneof in message.oneofs:
        members = [one.json_name for one in oneof.fields if one.name in kept]
        if oneof.GetOptions().Extensions[validate_pb2.oneof].required:
            said.append({"oneOf": [{"required": [one]} for one in members]})
        elif len(members) > 1:
            pairs = [{"required": list(pair)} for pair in combinations(members, 2)]
            said.append({"not": {"anyOf": pairs}})
    if not said:
        return {}
    return said[0] if len(said) == 1 else {"allOf": said}


def is_for_input(field: FieldDescriptor) -> bool:
    """Whether the field is never sent back."""
    return field_behavior_pb2.INPUT_ONLY in behaviors_of(field)


def pattern_of(field: FieldDescriptor) -> str:
    """The pattern that a text field has to match; empty for none."""
    rules = rules_of(field)
    return str(rules.string.pattern) if rules.HasField("string") else ""


def constrained(field: FieldDescriptor, schema: Schema) -> Schema:
    """The schema of a field with what its rules add to it.

    Args:
        field: the field.
        schema: of its type alone; of the whole list or map where it is one.
    """
    rules = rules_of(field)
    if rules.ignore == validate_pb2.IGNORE_ALWAYS:
        return schema
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _map(rules.map, schema)
    if field.is_repeated:
        return _list(rules.repeated, schema)
    is_optional = field_behavior_pb2.REQUIRED not in behaviors_of(field)
    may_be_empty = is_optional and rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE
    schema = _single(rules, schema, may_be_empty=may_be_empty)
    example = _example(field, schema)
    return {**schema, "examples": [example]} if example else schema


def allowed_values(field: FieldDescriptor, names: Iterable[tuple[str, int]]) -> list[str]:
    """The names of an enum's values that a request may give."""
    rules = rules_of(field)
    enum = rules.enum if rules.HasField("enum") else None
    listed = getattr(enum, "in") if enum is not None else ()
    return [
        name
        for name, number in names
        if enum is None or (number not in enum.not_in and (not listed or number in listed))
    ]


def _single(rules: Any, schema: Schema, *, may_be_empty: bool) -> Schema:
    if rules.HasField("string"):
        return _text(rules.string, schema, may_be_empty=may_be_empty)
    if rules.HasField("duration"):
        return _duration(rules.duration, schema)
    for kind in _NUMBERS:
        if rules.HasField(kind):
            return _number(getattr(rules, kind), schema)
    return schema


def _text(rules: Any, schema: Schema, *, may_be_empty: bool) -> Schema:
    out = dict(schema)
    if rules.HasField("const"):
        out["const"] = rules.const
    if rules.HasField("len"):
        out["minLength"] = out["maxLength"] = rules.len
    if rules.HasField("min_len"):
        out["minLength"] = rules.min_len
    if rules.HasField("max_len"):
        out["maxLength"] = rules.max_len
    if rules.HasField("pattern"):
        out["pattern"] = f"^$|{rules.pattern}" if may_be_empty else rules.pattern
    listed = list(getattr(rules, "in"))
    if listed:
        out["enum"] = listed
    known = rules.WhichOneof("well_known")
    if known in _FORMATS and getattr(rules, known):
        out["format"] = _FORMATS[known]
    return out


def _number(rules: Any, schema: Schema) -> Schema:
    out = dict(schema)
    bounds = {}
    for name, key in (
        ("gte", "minimum"),
        ("gt", "exclusiveMinimum"),
        ("lte", "maximum"),
        ("lt", "exclusiveMaximum"),
        ("const", "const"),
    ):
        if rules.HasField(name):
            bounds[key] = getattr(rules, name)
    if out.get("type") == "string":
        # 64-bit integers are strings in JSON: the sign and the number of digits are what a pattern
        # can say of them.
        least = bounds.get("minimum", bounds.get("exclusiveMinimum"))
        most = bounds.get("maximum", bounds.get("exclusiveMaximum"))
        digits = len(str(abs(most))) if most is not None else 18
        sign = "" if least is not None and least >= 0 else "-?"
        out["pattern"] = f"^{sign}(0|[1-9][0-9]{{0,{digits - 1}}})$"
        return out
    return {**out, **bounds}


def _duration(rules: Any, schema: Schema) -> Schema:
    said = []
    if rules.HasField("gte"):
        said.append(f"at least {rules.gte.ToJsonString()}")
    if rules.HasField("lte"):
        said.append(f"at most {rules.lte.ToJsonString()}")
    if not said:
        return schema
    digits = len(str(rules.lte.seconds)) if rules.HasField("lte") else 10
    first = "[1-9]" if rules.HasField("gte") and rules.gte.seconds >= 1 else "[0-9]"
    return {
        **schema,
        "pattern": f"^{first}[0-9]{{0,{digits - 1}}}(\\.[0-9]{{1,9}})?s$",
        "description": f"{schema.get('description', '')} {', '.join(said).capitalize()}.".strip(),
    }


def _list(rules: Any, schema: Schema) -> Schema:
    out = dict(schema)
    if rules.HasField("min_items"):
        out["minItems"] = rules.min_items
    if rules.HasField("max_items"):
        out["maxItems"] = rules.max_items
    if rules.unique:
        out["uniqueItems"] = True
    if rules.HasField("items"):
        out["items"] = _single(rules.items, out["items"], may_be_empty=False)
    return out


def _map(rules: Any, schema: Schema) -> Schema:
    out = dict(schema)
    if rules.HasField("min_pairs"):
        out["minProperties"] = rules.min_pairs
    if rules.HasField("max_pairs"):
        out["maxProperties"] = rules.max_pairs
    if rules.HasField("keys"):
        keys = _single(rules.keys, {"type": "string"}, may_be_empty=False)
        out["propertyNames"] = {**out.get("propertyNames", {}), **keys}
    if rules.HasField("values"):
        out["additionalProperties"] = _single(
            rules.values, out["additionalProperties"], may_be_empty=False
        )
    return out


def _example(field: FieldDescriptor, schema: Schema) -> str:
    """The example that the comment gives in backquotes, where it keeps the field's pattern."""
    pattern = pattern_of(field)
    if not pattern or schema.get("type") != "string":
        return ""
    for text in _QUOTED.findall(comment_of(field.full_name)):
        if len(text) <= _LONGEST_EXAMPLE and re.search(pattern, text):
            return str(text)
    return ""
