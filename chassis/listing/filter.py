"""Filters of a list: the part of AIP-160 that every store can answer by an index or a scan.

    filter     = [ condition { "AND" condition } ]
    condition  = field operator value
    field      = name { "." ( name | quoted ) }
    operator   = "=" | "!=" | ":" | "<" | ">" | "<=" | ">="
    value      = quoted | word

`:` means "contains", without regard to case.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Self

from chassis.clock.instants import truncated
from chassis.faults import FieldViolation, Invalid

FilterValue = str | int | float | bool | datetime
_MAX_CONDITIONS = 50


class FieldKind(Enum):
    """What a field holds, and so which values it can be compared with."""

    TEXT = "text"
    FLAG = "true or false"
    NUMBER = "a number"
    TIME = 'a time such as "2026-03-01T12:00:00Z"'
    CHOICE = "one of a list of names"


_OPS = {
    FieldKind.TEXT: ("=", "!=", ":"),
    FieldKind.FLAG: ("=", "!="),
    FieldKind.NUMBER: ("=", "!=", "<", ">", "<=", ">="),
    FieldKind.TIME: ("=", "!=", "<", ">", "<=", ">="),
    FieldKind.CHOICE: ("=", "!="),
}


@dataclass(frozen=True, slots=True)
class FilterField:
    """A field that a list can be filtered by.

    Attributes:
        kind: what it holds.
        ops: the operators that it takes.
        choices: the names that it may have, for a field of kind CHOICE.
    """

    kind: FieldKind = FieldKind.TEXT
    ops: tuple[str, ...] = _OPS[FieldKind.TEXT]
    choices: frozenset[str] = frozenset()

    @classmethod
    def text(cls, *ops: str) -> Self:
        """A field of text: `=`, `!=`, and `:` for contains, unless others are given."""
        return cls(FieldKind.TEXT, ops or _OPS[FieldKind.TEXT])

    @classmethod
    def flag(cls) -> Self:
        """A field that is true or false."""
        return cls(FieldKind.FLAG, _OPS[FieldKind.FLAG])

    @classmethod
    def number(cls, *ops: str) -> Self:
        """A field of numbers: every comparison, unless others are given."""
        return cls(FieldKind.NUMBER, ops or _OPS[FieldKind.NUMBER])

    @classmethod
    def time(cls, *ops: str) -> Self:
        """A field of instants: every comparison, unless others are given."""
        return cls(FieldKind.TIME, ops or _OPS[FieldKind.TIME])

    @classmethod
    def choice(cls, names: Collection[str]) -> Self:
        """A field whose values are names of an enum; values are given as they are named there."""
        return cls(FieldKind.CHOICE, _OPS[FieldKind.CHOICE], frozenset(names))


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a filter; all of them must be met.

    Attributes:
        field: the field, `state`, or `labels.team`.
        op: `=`, `!=`, `:`, `<`, `>`, `<=` or `>=`.
        value: text, a number, a bool, the name of a choice, or an aware instant, by the field's kind.
    """

    field: str
    op: str
    value: FilterValue


_PIECE = re.compile(
    r"""\s*(?:
      (?P<op><=|>=|!=|=|:|<|>)
    | (?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<bracket>[()])
    | (?P<word>[^\s"'=!:<>()]+)
    | (?P<end>$)
    )""",
    re.VERBOSE | re.DOTALL,
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_-]+)*\.?", re.ASCII)
_TIME = re.compile(r"[0-9TtZz:.+-]+", re.ASCII)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)


def parse_filter(text: str, fields: Mapping[str, FilterField]) -> list[Condition]:
    """Reads a filter.

    Args:
        text: conditions joined by AND; may be empty.
        fields: the fields that the list can be filtered by. A name that ends with `.*`, such as
            `labels.*`, stands for every key of a map.

    Returns:
        The conditions in the order in which they stand; none for an empty text.

    Raises:
        Invalid: FILTER_INVALID; the message says at which character, from 1, and what would be right.
    """
    return _Reading(text, fields).conditions()


class _Reading:
    """One filter while it is read."""

    def __init__(self, text: str, fields: Mapping[str, FilterField]) -> None:
        self._text = text
        self._fields = fields
        self._at = 0
        self._end = 0
        self._kind = ""
        self._piece = ""
        self._next()

    def conditions(self) -> list[Condition]:
        found: list[Condition] = []
        if self._kind == "end":
            return found
        while True:
            found.append(self._condition())
            if self._kind == "end":
                return found
            if len(found) >= _MAX_CONDITIONS:
                raise self._refused(f"A filter has at most {_MAX_CONDITIONS} conditions.")
            if self._piece != "AND":
                raise self._refused(self._not_and())
            self._next()

    def _condition(self) -> Condition:
        name, field = self._field()
        if self._kind != "op":
            raise self._refused(f"After {name!r} an operator is missing, one of {_ops(field)}.")
        op = self._piece
        if op not in field.ops:
            raise self._refused(f"{name!r} cannot be compared by {op!r}; use {_ops(field)}.")
        self._next()
        if self._kind not in ("word", "quoted"):
            raise self._refused(f"After {name!r} {op!r} a value is missing: {_wanted(field)}.")
        value = self._value(name, field)
        self._next()
        return Condition(name, op, value)

    def _field(self) -> tuple[str, FilterField]:
        if self._kind != "word" or not _NAME.fullmatch(self._piece):
            raise self._refused(self._not_a_field())
        name, at = self._piece, self._at
        if name in ("OR", "NOT", "AND"):
            raise self._refused(self._not_a_field())
        self._next()
        if name.endswith("."):
            if self._kind != "quoted":
                raise self._refused(f"After {name!r} a key is missing.")
            name += self._unquoted()
            self._next()
        head, dot, _ = name.partition(".")
        field = self._fields.get(name) or (self._fields.get(f"{head}.*") if dot else None)
        if field is None:
            self._at = at
            raise self._refused(
                f"The list cannot be filtered by {name!r}; use {', '.join(sorted(self._fields))}."
            )
        return name, field

    def _value(self, name: str, field: FilterField) -> FilterValue:
        word = self._unquoted() if self._kind == "quoted" else self._piece
        value: FilterValue | None = None
        match field.kind:
            case FieldKind.TEXT:
                value = word
            case FieldKind.FLAG:
                value = {"true": True, "false": False}.get(word.lower())
            case FieldKind.NUMBER:
                value = _number(word)
            case FieldKind.TIME:
                value = self._time(word)
            case FieldKind.CHOICE:
                value = word if word in field.choices else None
        if value is None:
            raise self._refused(f"{word!r} does not fit {name!r}: {_wanted(field)}.")
        return value

    def _time(self, word: str) -> datetime | None:
        # Unquoted, the colons of a time end the word: the whole time is read from the text here.
        if self._kind == "word":
            match = _TIME.match(self._text, self._at)
            if match is None:
                return None
            word, self._end = match.group(), match.end()
        try:
            instant = datetime.fromisoformat(word)
            return truncated(instant) if instant.tzinfo else None
        except (ValueError, OverflowError):
            return None

    def _next(self) -> None:
        start = self._end
        match = _PIECE.match(self._text, start)
        if match is None or match.lastgroup is None:
            rest = self._text[start:]
            self._at = start + len(rest) - len(rest.lstrip())
            raise self._refused(
                "A quotation mark is not closed."
                if self._text[self._at] in "\"'"
                else f"{self._text[self._at]!r} cannot be read."
            )
        self._kind = match.lastgroup
        self._piece = match.group(match.lastgroup)
        self._at = match.start(match.lastgroup)
        self._end = match.end()

    def _unquoted(self) -> str:
        return _ESCAPE.sub(r"\1", self._piece[1:-1])

    def _not_and(self) -> str:
        if self._piece.upper() == "AND":
            return "AND is written in capitals."
        if self._piece == "OR":
            return "Conditions are joined by AND only; ask once for each alternative."
        return f"Conditions are joined by AND; {self._piece!r} cannot stand here."

    def _not_a_field(self) -> str:
        if self._kind == "end":
            return "After AND a condition is missing."
        if self._kind == "bracket":
            return "Brackets are not understood; join conditions by AND."
        if self._piece in ("NOT", "-"):
            return "NOT is not understood; use the operator !=."
        return f"{self._piece!r} is not the name of a field; a condition is field = value."

    def _refused(self, problem: str) -> Invalid:
        message = f"{problem} (character {self._at + 1} of the filter)"
        return Invalid(
            message,
            reason="FILTER_INVALID",
            fields=[FieldViolation("filter", message)],
            position=str(self._at + 1),
        )


def _number(word: str) -> int | float | None:
    if not _NUMBER.fullmatch(word):
        return None
    if word.lstrip("+-").isdigit():
        return int(word)
    number = float(word)
    return number if math.isfinite(number) else None


def _ops(field: FilterField) -> str:
    return " ".join(field.ops)


def _wanted(field: FilterField) -> str:
    if field.kind is FieldKind.CHOICE:
        return f"it is one of {', '.join(sorted(field.choices))}"
    return f"it is {field.kind.value}"
