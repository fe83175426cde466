"""Makes the reference pages from what they are about: contracts, reasons, settings.

`python tools/reference.py` writes `docs/reference/*.md`; with `--check` it fails where one differs, and
where a link between the documents leads nowhere.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from allocator.access.v1 import access_pb2
from allocator.reasons.v1 import reason_pb2
from google.api import annotations_pb2
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor, ServiceDescriptor

from allocctl.machine_schema import schema_text
from chassis.rpc.repeating import is_repeatable
from chassis.settings import ServiceSettings

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference"
COMMENTS = json.loads((ROOT / "protos/gen/allocator/comments.json").read_text(encoding="utf-8"))
MADE = "<!-- made by tools/reference.py: do not edit -->"
SERVICES = (
    "chassis",
    "user_svc",
    "machines_svc",
    "allocation_svc",
    "docker_svc",
    "interact_svc",
    "broker",
    "notifier",
)
_KINDS = {number: name for name, number in vars(FieldDescriptor).items() if name[:5] == "TYPE_"}


def services() -> Iterator[ServiceDescriptor]:
    """Every service of the contracts."""
    for found in sorted((ROOT / "protos/allocator").rglob("*.proto")):
        module = ".".join(found.relative_to(ROOT / "protos").with_suffix("").parts)
        file = importlib.import_module(f"{module}_pb2").DESCRIPTOR
        yield from file.services_by_name.values()


def said(name: str) -> str:
    """The comment of an element, in one line."""
    return " ".join(COMMENTS.get(name, "").split())


def rule_of(method: MethodDescriptor) -> access_pb2.Rule:
    """Who may call it."""
    rule: access_pb2.Rule = method.GetOptions().Extensions[access_pb2.rule]
    return rule


def paths_of(method: MethodDescriptor) -> list[str]:
    """Verb and path of each HTTP binding."""
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    bindings = [rule, *rule.additional_bindings]
    return [
        f"{verb.upper()} {getattr(one, verb)}"
        for one in bindings
        if (verb := one.WhichOneof("pattern"))
    ]


def peers() -> str:
    """The page of which service may call what, by the rules of the contracts."""
    lines = [
        MADE,
        "# Peers",
        "",
        "Which service may call which method with its own token and certificate, and no person's. Made "
        "from the rules in the contracts, which the call chain of the service that is called enforces. "
        "Besides, a service may call each public method for a person whose token it carries, and then "
        "does what that person may do; the edge may do no more than that, and without a token what is "
        "open. A method that is *repeated* only reads: a client tries it again by itself where a replica "
        "cannot be reached.",
        "",
        "| caller | method | public | repeated |",
        "| --- | --- | --- | --- |",
    ]
    rows = [
        (
            peer,
            f"{service.full_name.removeprefix('allocator.')}.{method.name}",
            "yes" if paths_of(method) else "",
            "yes" if is_repeatable(f"/{service.full_name}/{method.name}") else "",
        )
        for service in services()
        for method in service.methods
        for peer in rule_of(method).peers
    ]
    lines += [
        f"| {peer} | `{method}` | {public} | {repeated} |"
        for peer, method, public, repeated in sorted(rows)
    ]
    return "\n".join(lines) + "\n"


def fields_of(message: object) -> Iterator[str]:
    """A table row for each field."""
    for field in message.fields:  # type: ignore[attr-defined]
        kind = (
            field.message_type.full_name
            if field.message_type
            else field.enum_type.full_name
            if field.enum_type
            else _KINDS[field.type][5:].lower()
        )
        many = "repeated " if field.is_repeated else ""
        yield f"| `{field.name}` | {many}{kind.removeprefix('allocator.')} | {said(field.full_name)} |"


def rest() -> str:
    """The page of the REST methods."""
    lines = [
        MADE,
        "# REST",
        "",
        "The whole surface is in the OpenAPI document at `/openapi.json`, with a page to try it at "
        "`/docs`. Bodies are JSON with names in lowerCamelCase; numbers of 64 bits are strings. Faults "
        "are [problem documents](errors.md). `Idempotency-Key` stands for `request_id`, `If-Match` for "
        "`etag`. Streams are server-sent events, or NDJSON with `Accept: application/x-ndjson`.",
    ]
    for service in services():
        public = [m for m in service.methods if paths_of(m)]
        if not public:
            continue
        lines += ["", f"## {service.name}", "", said(service.full_name), ""]
        lines += ["| | who | |", "| --- | --- | --- |"]
        for method in public:
            who = access_pb2.Rule.Who.Name(rule_of(method).who).lower()
            where = "<br>".join(f"`{path}`" for path in paths_of(method))
            lines.append(f"| {where} | {who} | {said(method.full_name)} |")
    return "\n".join(lines) + "\n"


def grpc() -> str:
    """The page of all services and their requests."""
    lines = [
        MADE,
        "# gRPC",
        "",
        "Public services answer at the address that `make up` prints, with reflection; internal ones "
        "only to each other.",
    ]
    for service in services():
        lines += ["", f"## {service.full_name}", "", said(service.full_name)]
        for method in service.methods:
            rule = rule_of(method)
            who = access_pb2.Rule.Who.Name(rule.who).lower()
            peers = f"; peers: {', '.join(rule.peers)}" if rule.peers else ""
            stream = "stream of " if method.server_streaming else ""
            answer = method.output_type.full_name.removeprefix("allocator.")
            lines += ["", f"### {method.name}", "", said(method.full_name), ""]
            lines += [f"For: {who}{peers}. Answers with: {stream}`{answer}`.", ""]
            rows = list(fields_of(method.input_type))
            if rows:
                lines += ["| field | type | |", "| --- | --- | --- |", *rows]
    return "\n".join(lines) + "\n"


def errors() -> str:
    """The page of the reasons."""
    lines = [
        MADE,
        "# Errors",
        "",
        "Each fault has a reason from this closed list: `ErrorInfo.reason` over gRPC (domain "
        "`allocator`), `reason` in the problem document over HTTP.",
        "",
        "| reason | kind | what it means | what to do |",
        "| --- | --- | --- | --- |",
    ]
    for value in reason_pb2.Reason.DESCRIPTOR.values:
        if value.number:
            entry = value.GetOptions().Extensions[reason_pb2.entry]
            kind = reason_pb2.Kind.Name(entry.kind)
            meaning = said(f"allocator.reasons.v1.Reason.{value.name}") or said(
                f"allocator.reasons.v1.{value.name}"
            )
            lines.append(f"| `{value.name}` | {kind} | {meaning} | {entry.advice} |")
    lines += ["", "| kind | status codes |", "| --- | --- |"]
    for value in reason_pb2.Kind.DESCRIPTOR.values:
        if value.number:
            meaning = said(f"allocator.reasons.v1.Kind.{value.name}") or said(
                f"allocator.reasons.v1.{value.name}"
            )
            lines.append(f"| {value.name} | {meaning} |")
    return "\n".join(lines) + "\n"


def settings() -> str:
    """The page of the settings."""
    for service in SERVICES:
        if (ROOT / service / "settings.py").exists():
            importlib.import_module(f"{service}.settings")
    lines = [
        MADE,
        "# Settings",
        "",
        "Read once, when a process starts, from its environment or from a file of `NAME=value` lines "
        "(`--settings FILE`). A secret may come from a file: `NAME_FILE` names it. A name that begins "
        "with `ALLOCATOR_` and is not here is an error. `--print-config` shows what is in force.",
    ]
    for cls in sorted(ServiceSettings.declared, key=lambda one: one.prefix):
        lines += ["", f"## `{cls.prefix}…`", "", " ".join((cls.__doc__ or "").split()), ""]
        lines += ["| name | default | |", "| --- | --- | --- |"]
        for variable, field in cls.names().items():
            about = cls.model_fields[field]
            default = _default(about.get_default(call_default_factory=True))
            lines.append(f"| `{variable}` | {default} | {about.description or ''} |")
    return "\n".join(lines) + "\n"


def _default(value: object) -> str:
    text = "" if "Secret" in type(value).__name__ else str(value).replace(str(ROOT), "…")
    # What each machine has of its own is told by the description.
    return "" if text in ("", "{}") or socket.gethostname() in text else f"`{text}`"


def dead_links() -> list[str]:
    """Links between documents that lead nowhere."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md")]
    return [
        f"{page.relative_to(ROOT)}: {target} does not exist"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]


def main() -> None:
    """Writes or checks the pages."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--check", action="store_true")
    check = options.parse_args().check
    made = {
        "rest.md": rest(),
        "grpc.md": grpc(),
        "errors.md": errors(),
        "settings.md": settings(),
        "peers.md": peers(),
        "machine.schema.json": schema_text(),
    }
    problems = []
    for name, text in made.items():
        page = PAGES / name
        if not check:
            page.write_text(text, encoding="utf-8")
        elif not page.exists() or page.read_text(encoding="utf-8") != text:
            problems.append(f"docs/reference/{name} is stale: run `make stubs`")
    problems += dead_links() if check else []
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
