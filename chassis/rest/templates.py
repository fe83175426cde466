"""Path templates of `google.api.http`: `/v1/{name=allocations/*}/lines:export`.

The grammar is that of google/api/http.proto:

    Template = "/" Segments [ Verb ] ;    Segments = Segment { "/" Segment } ;
    Segment  = "*" | "**" | LITERAL | Variable ;
    Variable = "{" FieldPath [ "=" Segments ] "}" ;    Verb = ":" LITERAL ;
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from chassis.rpc.contract import ContractBroken

ONE = "*"
"""Stands for one segment that is not empty."""
REST = "**"
"""Stands for all segments that are left, also none; only at the end of a template."""

_LITERAL = re.compile(r"(?:[A-Za-z0-9._~$&'()+,;=@!-]|%[0-9A-Fa-f]{2})+")
_FIELD_PATH = re.compile(r"[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)*")


@dataclass(frozen=True, slots=True)
class Variable:
    """A field that takes its value from the path.

    Attributes:
        field_path: the field's path in the request, `machine.name`.
        start: the place of its first segment in the template, from 0.
        end: one more than the place of its last segment; None where it goes on to the end.
        is_deep: whether it may hold more than one segment. An encoded slash then stays encoded, so
            that it is not taken for a separator (google/api/http.proto).
    """

    field_path: str
    start: int
    end: int | None
    is_deep: bool


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template.

    Attributes:
        text: as it was written.
        segments: literals, `*` and `**`; variables are replaced by what they stand for.
        verb: what follows the colon; empty where there is none.
        variables: the fields that take their values from the path.
    """

    text: str
    segments: tuple[str, ...]
    verb: str
    variables: tuple[Variable, ...]


def parse_template(text: str) -> Template:
    """Parses a template.

    Raises:
        ContractBroken: it does not keep the grammar, or binds a field twice.
    """
    if not text.startswith("/"):
        raise ContractBroken(f"the path template {text!r} does not begin with a slash")
    path, verb = _split_verb(text)
    segments: list[str] = []
    variables: list[Variable] = []
    for part in _split_segments(path[1:]):
        if not part.startswith("{"):
            segments.append(_segment(part, text))
            continue
        if not part.endswith("}"):
            raise ContractBroken(f"a variable of the path template {text!r} does not end")
        name, equals, pattern = part[1:-1].partition("=")
        if not _FIELD_PATH.fullmatch(name):
            raise ContractBroken(f"{name!r} in the path template {text!r} is no field path")
        inner = [_segment(one, text) for one in (pattern if equals else ONE).split("/")]
        start = len(segments)
        segments.extend(inner)
        end = None if inner[-1] == REST else len(segments)
        variables.append(Variable(name, start, end, inner != [ONE]))
    if REST in segments[:-1]:
        raise ContractBroken(f"`**` is not at the end of the path template {text!r}")
    bound = [one.field_path for one in variables]
    if len(set(bound)) != len(bound):
        raise ContractBroken(f"the path template {text!r} binds a field twice")
    return Template(text, tuple(segments), verb, tuple(variables))


def _split_verb(text: str) -> tuple[str, str]:
    colon = text.rfind(":")
    if colon < 0 or colon < max(text.rfind("/"), text.rfind("}")):
        return text, ""
    verb = text[colon + 1 :]
    if not _LITERAL.fullmatch(verb):
        raise ContractBroken(f"{verb!r} in the path template {text!r} is no verb")
    return text[:colon], verb


def _split_segments(path: str) -> list[str]:
    """Splits at slashes that are not inside a variable."""
    parts = [""]
    depth = 0
    for char in path:
        depth += (char == "{") - (char == "}")
        if char == "/" and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def _segment(part: str, text: str) -> str:
    if part not in (ONE, REST) and not _LITERAL.fullmatch(part):
        raise ContractBroken(f"{part!r} in the path template {text!r} is no segment")
    return part
