"""Message types as JSON schemas.

A message type has one schema as an answer, and where it is sent, others: an answer has every field
without presence, a request has only what its caller may say.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from chassis.rest.comments import comment_of, flowing
from chassis.rest.constraints import (
    Schema,
    allowed_values,
    constrained,
    exclusions_of,
    is_for_input,
    is_required,
    is_set_by_server,
    sentences_of,
)

_DURATION = r"^-?[0-9]{1,12}(\.[0-9]{1,9})?s$"
_INT64 = r"^-?(0|[1-9][0-9]{0,18})$"
_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": _DURATION, "examples": ["1.5s"]},
    "google.protobuf.FieldMask": {"type": "string", "examples": ["displayName,labels"]},
    "google.protobuf.Empty": {"type": "object", "maxProperties": 0},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array"},
    "google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "required": ["@type"],
    },
    "google.protobuf.BoolValue": {"type": "boolean"},
    "google.protobuf.StringValue": {"type": "string"},
    "google.protobuf.BytesValue": {"type": "string", "contentEncoding": "base64"},
    "google.protobuf.Int32Value": {"type": "integer", "format": "int32"},
    "google.protobuf.UInt32Value": {"type": "integer", "minimum": 0},
    "google.protobuf.Int64Value": {"type": "string", "pattern": _INT64},
    "google.protobuf.UInt64Value": {"type": "string", "pattern": r"^[0-9]{1,20}$"},
    "google.protobuf.FloatValue": {"type": "number"},
    "google.protobuf.DoubleValue": {"type": "number"},
    "google.api.HttpBody": {},
}
_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
}


class Schemas:
    """The schemas of a document: each is made when it is first referred to.

    Attributes:
        components: the schemas by name, as in `#/components/schemas`.
    """

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}
        self._owners: dict[str, str] = {}

    def answer(self, message: Descriptor) -> Schema:
        """A reference to the schema of a message that the server sends."""
        known = _WELL_KNOWN.get(message.full_name)
        if known is not None:
            return dict(known)
        name = self._name(message)
        if name not in self.components:
            self.components[name] = {}
            fields = list(message.fields)
            properties = {f.json_name: self._answer_field(f) for f in fields}
            self.components[name] = _object(
                flowing(comment_of(message.full_name)),
                properties,
                [f.json_name for f in fields if not f.has_presence],
            )
        return _ref(name)

    def request(
        self,
        message: Descriptor,
        *,
        without: Collection[str] = (),
        partial: bool = False,
        owner: str = "",
    ) -> Schema:
        """A reference to the schema of a message that a caller sends.

        Args:
            message: its type.
            without: names of fields that are said elsewhere, in the path or the query.
            partial: whether nothing is required, as in an update.
            owner: what the schema is called, if it is made for one method alone.
        """
        known = _WELL_KNOWN.get(message.full_name)
        if known is not None:
            return dict(known)
        suffix = "Changes" if partial else "Input"
        name = owner or f"{self._name(message)}{suffix}"
        if name not in self.components:
            self.components[name] = {}
            fields = [
                f for f in message.fields if f.name not in without and not is_set_by_server(f)
            ]
            said = [flowing(comment_of(message.full_name)), *sentences_of(message)]
            schema = _object(
                " ".join(one for one in said if one),
                {f.json_name: self.request_field(f) for f in fields},
                [] if partial else [f.json_name for f in fields if is_required(f)],
            )
            schema["additionalProperties"] = False
            schema.update(exclusions_of(message, {f.name for f in fields}))
            self.components[name] = schema
        return _ref(name)

    def request_field(self, field: FieldDescriptor) -> Schema:
        """The schema of a field that a caller sends, with its rules and its comment."""
        schema = constrained(field, self._shape(field, is_answer=False))
        if is_for_input(field):
            schema["writeOnly"] = True
        return _described(field, schema)

    def _answer_field(self, field: FieldDescriptor) -> Schema:
        return _described(field, self._shape(field, is_answer=True))

    def _shape(self, field: FieldDescriptor, *, is_answer: bool) -> Schema:
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            value = entry.fields_by_name["value"]
            return {
                "type": "object",
                "additionalProperties": self._single(value, is_answer=is_answer),
            }
        single = self._single(field, is_answer=is_answer)
        return {"type": "array", "items": single} if field.is_repeated else single

    def _single(self, field: FieldDescriptor, *, is_answer: bool) -> Schema:
        if field.message_type is not None:
            message = field.message_type
            return self.answer(message) if is_answer else self.request(message)
        if field.enum_type is not None:
            if is_answer:
                return self._enum(field.enum_type)
            names = [(one.name, one.number) for one in field.enum_type.values]
            return {"type": "string", "enum": allowed_values(field, names)}
        return _scalar(field)

    def _enum(self, enum: EnumDescriptor) -> Schema:
        name = self._name(enum)
        if name not in self.components:
            lines = [flowing(comment_of(enum.full_name)), ""]
            for value in enum.values:
                said = flowing(comment_of(f"{enum.full_name}.{value.name}"))
                lines.append(f"* `{value.name}`: {said}")
            self.components[name] = {
                "type": "string",
                "enum": [value.name for value in enum.values],
                "description": "\n".join(lines).strip(),
            }
        return _ref(name)

    def _name(self, element: Descriptor | EnumDescriptor) -> str:
        """`Machine`, `Machine.State`; with the package where another package has the name too."""
        package = element.file.package
        short = element.full_name.removeprefix(f"{package}.")
        owner = self._owners.setdefault(short, element.full_name)
        return short if owner == element.full_name else element.full_name


def _scalar(field: FieldDescriptor) -> Schema:
    kind = field.cpp_type
    if kind in _INTEGERS:
        least, most = _INTEGERS[kind]
        return {"type": "integer", "minimum": least, "maximum": most}
    if kind == FieldDescriptor.CPPTYPE_INT64:
        return {"type": "string", "format": "int64", "pattern": _INT64}
    if kind == FieldDescriptor.CPPTYPE_UINT64:
        return {"type": "string", "format": "uint64", "pattern": r"^[0-9]{1,20}$"}
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return {"type": "boolean"}
    if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return {"type": "number"}
    if field.type == FieldDescriptor.TYPE_BYTES:
        return {"type": "string", "contentEncoding": "base64"}
    return {"type": "string"}


def _described(field: FieldDescriptor, schema: Schema) -> Schema:
    said = [flowing(comment_of(field.full_name)), *sentences_of(None, field)]
    if schema.get("description"):
        said.append(schema["description"])
    text = " ".join(one for one in said if one)
    return {**schema, "description": text} if text else schema


def _object(description: str, properties: dict[str, Any], required: list[str]) -> Schema:
    schema: Schema = {"type": "object"}
    if description:
        schema["description"] = description
    schema["properties"] = properties
    if required:
        schema["required"] = required
    return schema


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
