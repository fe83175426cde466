"""Machines written down: YAML documents in the words of the contract's JSON.

A document holds what a publisher says of a machine, and its name. What the server says (state, version,
times, pictures, what others make of it) is left out when one is written, and refused when one is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml
from allocator.machines.v1 import machine_pb2, machine_service_pb2
from google.protobuf import json_format

from chassis.faults import FieldViolation
from chassis.rpc.chain import validate
from machines_svc.domain.availability import Availability
from machines_svc.domain.faults import DefinitionInvalid
from machines_svc.domain.machine import Machine, MachineSpec
from machines_svc.transport.mapping import SPEC_FIELDS, message_of, spec_of

MEDIA_TYPE = "application/yaml"
"""Of a document (RFC 9512)."""

MOST_BYTES = 256 << 10
"""How large a document may be."""

_DEEPEST = 20


class _Reader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """Reads what JSON could say as well: no anchors, no tags, no key twice, no dates."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise _refused("anchors and aliases are not understood; write the value again", self)
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _refused(f"it is nested more than {_DEEPEST} deep", self)
        node = super().compose_node(parent, index)
        self.depth -= 1
        if isinstance(node, yaml.ScalarNode) and any(
            "\ud800" <= sign <= "\udfff" for sign in node.value
        ):
            raise _refused("half a character stands there", self, node)
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for place, key in enumerate(keys):
            if not isinstance(key, str):
                raise _refused(f"{key!r} is no name of a field; quote it", self, node)
            if key in keys[:place]:
                raise _refused(f"{key!r} stands there twice", self, node)
        made: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return made


# As in the core of YAML 1.2: `no` and `12:30` are text.
_Reader.yaml_implicit_resolvers = {}
for _tag, _form, _firsts in (
    ("bool", "true|false", "tf"),
    ("int", "-?(?:0|[1-9][0-9]{0,18})", "-0123456789"),
    ("null", "null|~|", ["n", "~", ""]),
):
    _Reader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_form})$"), list(_firsts)
    )


class _Writer(yaml.SafeDumper):  # type: ignore[misc]  # PyYAML has no types
    """Writes text of several lines as such."""


def _text_node(writer: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    if any(sign in text for sign in "\r\x85\u2028\u2029\ufeff"):
        # YAML takes these for line breaks, and would fold them: only quoted they stay what they are.
        style = '"'
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Writer.add_representer(str, _text_node)


def written(machine: Machine) -> bytes:
    """A machine as a document."""
    whole = message_of(machine, Availability.UNKNOWN)
    said = machine_pb2.Machine(name=machine.name)
    for field, value in whole.ListFields():
        if field.name in SPEC_FIELDS:
            if field.is_repeated or field.message_type is not None:
                getattr(said, field.name).MergeFrom(value)
            else:
                setattr(said, field.name, value)
    fields = json_format.MessageToDict(said)
    text: str = yaml.dump(
        fields, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=100, line_break="\n"
    )
    return text.encode()


def read(document: bytes) -> tuple[str, MachineSpec]:
    """The name and the spec that a document says.

    Raises:
        DefinitionInvalid: it is no YAML, or says something that is no matter of a publisher.
        Invalid: REQUEST_INVALID, it breaks the contract; each field is named.
    """
    if len(document) > MOST_BYTES:
        raise _refused(f"it has {len(document)} bytes; {MOST_BYTES} are the most")
    try:
        fields = yaml.load(document.decode(), _Reader)  # noqa: S506 - a SafeLoader, and less than that
    except UnicodeDecodeError:
        raise _refused("it is not UTF-8") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be read as YAML"
        raise _refused(f"{problem}{where}") from None
    if not isinstance(fields, dict):
        raise _refused("it describes no machine: a document is one mapping, `name: machines/…`")
    return definition_of(fields)


def definition_of(fields: Mapping[str, Any]) -> tuple[str, MachineSpec]:
    """The name and the spec that the fields of a document say.

    Raises:
        DefinitionInvalid: one of them is unknown, of another type, or no matter of a publisher.
        Invalid: REQUEST_INVALID, they break the contract; each field is named.
    """
    try:
        message = json_format.ParseDict(dict(fields), machine_pb2.Machine())
    except (json_format.ParseError, TypeError, ValueError, RecursionError) as error:
        raise _refused(str(error).partition("\n")[0][:300]) from None
    for field, _ in message.ListFields():
        if field.name != "name" and field.name not in SPEC_FIELDS:
            raise _refused(
                f"{field.json_name} is said by the server; leave it out", at=field.json_name
            )
    machine_id = message.name.removeprefix("machines/")
    if not message.name.startswith("machines/"):
        raise _refused("name it, `name: machines/redis`", at="name")
    validate(machine_service_pb2.CreateMachineRequest(machine=message, machine_id=machine_id))
    return message.name, spec_of(message)


def _refused(
    problem: str, reader: Any = None, node: Any = None, *, at: str = ""
) -> DefinitionInvalid:
    if reader is not None:
        mark = node.start_mark if node is not None else reader.peek_event().start_mark
        problem = f"{problem} (line {mark.line + 1}, column {mark.column + 1})"
    path = f"definition.{at}" if at else "definition"
    return DefinitionInvalid(
        f"The document cannot be taken: {problem}.", fields=[FieldViolation(path, problem)]
    )
