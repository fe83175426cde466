"""Makes the web console's API client from the contracts.

`python tools/web_client.py` writes `web/src/api/generated.ts`: an interface for each message, a
union of names for each enum, and a value for each public method that says its HTTP verb, path
template and body, which `web/src/api/transport.ts` calls. With `--check` it writes nothing, and
fails when what is committed differs.

The shapes are those of the canonical JSON form of the messages: lowerCamelCase names, 64-bit
numbers as strings, enums by name, timestamps and durations as strings. Answers are complete, so
only fields with presence (messages, `optional`, members of a oneof) may be missing. Frames of the
WebSocket leave out what has its default, so the client also gets the defaults of their messages.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from google.api import annotations_pb2
from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
)

ROOT = Path(__file__).resolve().parent.parent
STUBS = ROOT / "protos" / "gen"
TARGET = ROOT / "web" / "src" / "api" / "generated.ts"

FRAMES = (
    "allocator.consoles.v1.ServerFrame",
    "allocator.consoles.v1.ClientFrame",
)
"""Messages that no method carries, as they travel on the WebSocket."""

SCALARS: dict[int, str] = {
    FieldDescriptor.TYPE_BOOL: "boolean",
    FieldDescriptor.TYPE_BYTES: "string",
    FieldDescriptor.TYPE_DOUBLE: "number",
    FieldDescriptor.TYPE_FLOAT: "number",
    FieldDescriptor.TYPE_INT32: "number",
    FieldDescriptor.TYPE_SINT32: "number",
    FieldDescriptor.TYPE_UINT32: "number",
    FieldDescriptor.TYPE_FIXED32: "number",
    FieldDescriptor.TYPE_SFIXED32: "number",
    FieldDescriptor.TYPE_INT64: "string",
    FieldDescriptor.TYPE_SINT64: "string",
    FieldDescriptor.TYPE_UINT64: "string",
    FieldDescriptor.TYPE_FIXED64: "string",
    FieldDescriptor.TYPE_SFIXED64: "string",
    FieldDescriptor.TYPE_STRING: "string",
}

WELL_KNOWN = {
    "google.protobuf.Timestamp": "string",
    "google.protobuf.Duration": "string",
    "google.protobuf.FieldMask": "string",
    "google.protobuf.Empty": "Record<string, never>",
    "google.api.HttpBody": "Blob",
}

VERBS = ("get", "post", "put", "patch", "delete")

HEAD = """\
// Made from the contracts by tools/web_client.py. Do not edit.

"""

IMPORTS = {
    "download": ("./transfers", "type Download, download"),
    "upload": ("./transfers", "type Upload, upload"),
    "stream": ("./transport", "type Stream as ServerStream, stream"),
    "unary": ("./transport", "type Unary, unary"),
}
"""What makes a kind of method, and where it is from."""

FILE = "google.api.HttpBody"
"""The message of bytes as they are. A stream of them is a file, and so is one that a method takes."""


def contract_files(stubs: Path) -> list[FileDescriptor]:
    """The descriptors of our own contracts, by path."""
    sys.path.insert(0, str(stubs))
    names = sorted(p.relative_to(stubs) for p in stubs.glob("allocator/**/*_pb2.py"))
    return [
        importlib.import_module(".".join(name.with_suffix("").parts)).DESCRIPTOR for name in names
    ]


def public_methods(files: Sequence[FileDescriptor]) -> Iterator[tuple[MethodDescriptor, str]]:
    """Each method that has an HTTP rule, with its expression in TypeScript."""
    for file in files:
        for service in file.services_by_name.values():
            for method in service.methods:
                options = method.GetOptions()
                if not options.HasExtension(annotations_pb2.http):
                    continue
                rule = options.Extensions[annotations_pb2.http]
                verb = next(verb for verb in VERBS if getattr(rule, verb))
                arguments = [verb.upper(), getattr(rule, verb)]
                if rule.body:
                    arguments.append(_json_body(method, rule.body))
                kind = _kind(method)
                shown = ", ".join(json.dumps(argument) for argument in arguments)
                yield method, f"{kind}({shown})"


def _kind(method: MethodDescriptor) -> str:
    """The function in TypeScript that makes the method."""
    if method.client_streaming:
        return "upload"
    if method.server_streaming:
        return "download" if method.output_type.full_name == FILE else "stream"
    return "unary"


def _json_body(method: MethodDescriptor, body: str) -> str:
    return body if body == "*" else method.input_type.fields_by_name[body].json_name


def reached(roots: Sequence[Descriptor]) -> tuple[list[Descriptor], list[EnumDescriptor]]:
    """The messages and enums that the roots are made of, the roots among them, by full name."""
    messages: dict[str, Descriptor] = {}
    enums: dict[str, EnumDescriptor] = {}
    waiting = list(roots)
    while waiting:
        message = waiting.pop()
        if message.full_name in messages or message.full_name in WELL_KNOWN:
            continue
        if not message.GetOptions().map_entry:
            messages[message.full_name] = message
        for field in message.fields:
            if field.message_type is not None:
                waiting.append(field.message_type)
            if field.enum_type is not None:
                enums[field.enum_type.full_name] = field.enum_type
    return (
        [messages[name] for name in sorted(messages)],
        [enums[name] for name in sorted(enums)],
    )


def type_name(element: Descriptor | EnumDescriptor) -> str:
    """The name in TypeScript: nested ones carry the names around them (`MachineState`).

    What is called alike in two packages carries the package's noun too (`MachinesVolume`).
    """
    package = element.file.package
    name = element.full_name.removeprefix(f"{package}.").replace(".", "")
    return f"{package.split('.')[-2].capitalize()}{name}" if name in AMBIGUOUS else name


AMBIGUOUS: set[str] = set()
"""Names that elements of several packages have."""


def find_ambiguous(elements: Sequence[Descriptor | EnumDescriptor]) -> None:
    """Notes the names that elements of several packages have."""
    AMBIGUOUS.clear()
    seen: dict[str, str] = {}
    twice = set()
    for element in elements:
        name = type_name(element)
        if seen.setdefault(name, element.full_name) != element.full_name:
            twice.add(name)
    AMBIGUOUS.update(twice)


def field_type(field: FieldDescriptor) -> str:
    """The type of a field in TypeScript."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return f"Record<string, {field_type(field.message_type.fields_by_name['value'])}>"
    if field.message_type is not None:
        one = WELL_KNOWN.get(field.message_type.full_name) or type_name(field.message_type)
    elif field.enum_type is not None:
        one = type_name(field.enum_type)
    else:
        one = SCALARS[field.type]
    return f"{one}[]" if field.is_repeated else one


def comment(text: str, indent: str) -> str:
    """A comment in TypeScript; empty where there is no text."""
    if not text:
        return ""
    lines = text.replace("*/", "* /").splitlines()
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    body = "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines)
    return f"{indent}/**\n{body}{indent} */\n"


def enum_text(enum: EnumDescriptor, comments: dict[str, str]) -> str:
    """A union of names."""
    names = [json.dumps(value.name) for value in enum.values]
    line = f"export type {type_name(enum)} = {' | '.join(names)};\n"
    if len(line) > 101:
        line = f"export type {type_name(enum)} =\n" + "".join(f"  | {name}\n" for name in names)
        line = line.removesuffix("\n") + ";\n"
    return comment(comments.get(enum.full_name, ""), "") + line


def message_text(message: Descriptor, comments: dict[str, str]) -> str:
    """An interface."""
    head = comment(comments.get(message.full_name, ""), "")
    if not message.fields:
        return f"{head}export type {type_name(message)} = Record<string, never>;\n"
    body = ""
    for field in message.fields:
        mark = "?" if field.has_presence else ""
        body += comment(comments.get(field.full_name, ""), "  ")
        body += f"  {field.json_name}{mark}: {field_type(field)};\n"
    return f"{head}export interface {type_name(message)} {{\n{body}}}\n"


def zero(field: FieldDescriptor) -> object:
    """What a field without presence is in JSON where nobody has set it."""
    if field.is_repeated:
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        return {} if is_map else []
    if field.enum_type is not None:
        return field.enum_type.values_by_number[0].name
    kind = SCALARS[field.type]
    if kind == "boolean":
        return False
    if kind == "number":
        return 0
    return "" if field.type in (field.TYPE_STRING, field.TYPE_BYTES) else "0"


def shapes_text(messages: Sequence[Descriptor]) -> str:
    """The defaults of messages, and which of their fields are messages themselves."""
    lines = []
    for message in messages:
        zeros = {f.json_name: zero(f) for f in message.fields if not f.has_presence}
        parts = {
            f.json_name: type_name(f.message_type)
            for f in message.fields
            if f.message_type is not None
            and f.message_type.full_name not in WELL_KNOWN
            and not f.message_type.GetOptions().map_entry
        }
        shape = f"{{ zeros: {json.dumps(zeros)}, parts: {json.dumps(parts)} }}"
        lines.append(f"  {type_name(message)}: {shape},\n")
    return f"/** The defaults of what frames are made of. */\nexport const SHAPES = {{\n{''.join(lines)}}};\n"


def imports_text(methods: Sequence[MethodDescriptor]) -> str:
    """What the methods are made with."""
    kinds = {_kind(method) for method in methods}
    wanted: dict[str, list[str]] = {}
    for kind, (source, names) in IMPORTS.items():
        if kind in kinds:
            wanted.setdefault(source, []).append(names)
    return "".join(
        f'import {{ {", ".join(names)} }} from "{source}";\n' for source, names in wanted.items()
    )


def method_text(method: MethodDescriptor, expression: str, comments: dict[str, str]) -> str:
    """A value that calls the method."""
    name = method.name[0].lower() + method.name[1:]
    request = type_name(method.input_type)
    answer = WELL_KNOWN.get(method.output_type.full_name) or type_name(method.output_type)
    shape = {
        "unary": f"Unary<{request}, {answer}>",
        "stream": f"ServerStream<{request}, {answer}>",
        "download": f"Download<{request}>",
        "upload": f"Upload<{request}, {answer}>",
    }[_kind(method)]
    line = f"export const {name}: {shape} = {expression};\n"
    if len(line) > 101:
        line = line.replace(" = ", " =\n  ", 1)
    return comment(comments.get(method.full_name, ""), "") + line


def client_text(files: Sequence[FileDescriptor], comments: dict[str, str]) -> str:
    """The whole file."""
    methods = list(public_methods(files))
    roots = [m for method, _ in methods for m in (method.input_type, method.output_type)]
    by_name = {m.full_name: m for file in files for m in file.message_types_by_name.values()}
    messages, enums = reached([*roots, *(by_name[name] for name in FRAMES)])
    find_ambiguous([*messages, *enums])
    parts = [
        HEAD + imports_text([method for method, _ in methods]),
        *(enum_text(enum, comments) for enum in enums),
        *(message_text(message, comments) for message in messages),
        shapes_text(reached([by_name[name] for name in FRAMES])[0]),
        *(method_text(method, expression, comments) for method, expression in methods),
    ]
    return "\n".join(parts)


def main() -> None:
    """Writes the client, or checks it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when stale")
    asked = parser.parse_args()
    comments = json.loads((STUBS / "allocator" / "comments.json").read_text())
    text = client_text(contract_files(STUBS), comments)
    if not asked.check:
        TARGET.write_text(text)
    elif not TARGET.is_file() or TARGET.read_text() != text:
        sys.exit(f"{TARGET.relative_to(ROOT)} is stale: run python tools/web_client.py")


if __name__ == "__main__":
    main()
