"""Finds what a path and an HTTP method stand for, in a tree of segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from chassis.rest.templates import ONE, REST, Template
from chassis.rpc.contract import ContractBroken

T = TypeVar("T")


class PathMalformed(ValueError):
    """A value in the path is not percent-encoded UTF-8. The argument is the field's path."""


@dataclass(slots=True)
class _Node(Generic[T]):
    literals: dict[str, _Node[T]] = field(default_factory=dict)
    one: _Node[T] | None = None
    # What ends here, and what swallows all that is left: by verb, then by HTTP method.
    ends: dict[str, dict[str, tuple[Template, T]]] = field(default_factory=dict)
    swallows: dict[str, dict[str, tuple[Template, T]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What a path stands for.

    Attributes:
        target: what was added for the path and the HTTP method; None where the path is known and
            the HTTP method is not.
        values: the fields that take their values from the path, by their path in the request.
        allowed: the HTTP methods that the path knows; only where the target is None.
    """

    target: T | None
    values: Mapping[str, str]
    allowed: Sequence[str] = ()


class Router(Generic[T]):
    """Routes, found in a time that grows with the segments of the path, not with the routes.

    Of two templates that both fit, the one with the literal further to the left wins.
    """

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._verbs: set[str] = set()

    def add(self, http_method: str, template: Template, target: T) -> None:
        """Adds a route.

        Raises:
            ContractBroken: another template with the same shape has it already.
        """
        node = self._root
        ends = node.swallows
        for segment in template.segments:
            if segment == REST:
                ends = node.swallows
                break
            if segment == ONE:
                node.one = node.one or _Node()
                node = node.one
            else:
                node = node.literals.setdefault(segment, _Node())
            ends = node.ends
        methods = ends.setdefault(template.verb, {})
        if http_method in methods:
            other = methods[http_method][0].text
            raise ContractBroken(f"{http_method} {template.text} and {other} are the same path")
        methods[http_method] = (template, target)
        if template.verb:
            self._verbs.add(template.verb)

    def find(self, http_method: str, path: str) -> Found[T] | None:
        """What the path, as it was sent and without its query, stands for; None for nothing.

        Raises:
            PathMalformed: a value in the path is not percent-encoded UTF-8.
        """
        segments = path.split("/")
        del segments[0]
        if not segments:
            return None
        last = segments[-1]
        colon = last.rfind(":")
        if colon >= 0 and last[colon + 1 :] in self._verbs:
            verb = last[colon + 1 :]
            segments[-1] = last[:colon]
            methods = _walk(self._root, segments, 0, verb)
            if methods is not None:
                return _found(methods, http_method, segments)
            segments[-1] = last
        methods = _walk(self._root, segments, 0, "")
        return None if methods is None else _found(methods, http_method, segments)


def _walk(
    node: _Node[T], segments: list[str], place: int, verb: str
) -> dict[str, tuple[Template, T]] | None:
    if place == len(segments):
        return node.ends.get(verb) or node.swallows.get(verb)
    segment = segments[place]
    literal = node.literals.get(segment)
    if literal is not None:
        methods = _walk(literal, segments, place + 1, verb)
        if methods is not None:
            return methods
    if node.one is not None and segment:
        methods = _walk(node.one, segments, place + 1, verb)
        if methods is not None:
            return methods
    return node.swallows.get(verb)


def _found(
    methods: dict[str, tuple[Template, T]], http_method: str, segments: list[str]
) -> Found[T]:
    route = methods.get(http_method)
    if route is None:
        return Found(None, {}, tuple(sorted(methods)))
    template, target = route
    values = {}
    for variable in template.variables:
        text = "/".join(segments[variable.start : variable.end])
        if "%" in text:
            text = _decoded(text, variable.field_path, keep_slash=variable.is_deep)
        values[variable.field_path] = text
    return Found(target, values)


def _decoded(text: str, field_path: str, *, keep_slash: bool) -> str:
    if keep_slash:
        text = text.replace("%2F", "%252F").replace("%2f", "%252f")
    escapes = text.split("%")[1:]
    if any(len(one) < 2 or not _is_hex(one[:2]) for one in escapes):
        raise PathMalformed(field_path)
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise PathMalformed(field_path) from None


def _is_hex(two: str) -> bool:
    return all(char in "0123456789abcdefABCDEF" for char in two)
