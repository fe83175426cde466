r"""Regular expressions of admins: the part that RE2 and Python read alike, and that ends in time.

RE2 itself is not at hand, so values are matched by Python's `re`, which backtracks: an expression such
as `(a+)+b` could hold a process for hours. What is accepted here is therefore a part of RE2's syntax
(https://github.com/google/re2/wiki/Syntax) in which no repetition is ambiguous about where its rounds
end. A repeated group may hold

* alternatives, if each begins with a character of its own: `(cat|dog)*`, not `(a|ab)*`;
* repetitions and optional parts, if it begins, or ends, with a character that none of these can
  match: `[a-z]+(-[a-z]+)*`, `([0-9]+,)*`, not `([a-z]+)*`.

What remains is at worst polynomial, in values of at most 4096 characters, by an admin's own doing.
Left out of RE2's syntax are Unicode classes, POSIX classes, flags and the rarer escapes. Letters are
ASCII (`\w`, `\d`, `\s`), as in RE2: compile with `compiled`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_CLASS_ESCAPES = "dDwWsS"
_PLACE_ESCAPES = "bBA"
_CONTROL_ESCAPES = "tnrfv"
_HEX = re.compile(r"\\x[0-9A-Fa-f]{2}")
_BOUNDS = re.compile(r"\{(\d{1,4})(?:(,)(\d{0,4}))?\}")
_GROUP_NAME = re.compile(r"\(\?P<[A-Za-z_][A-Za-z0-9_]{0,31}>")
_MOST_ROUNDS = 1000
_DEEPEST = 20


class ExpressionRefused(ValueError):
    """The expression is not one of those that are accepted; the message says why and where."""


def compiled(expression: str) -> re.Pattern[str]:
    """The expression, ready to match.

    Raises:
        ExpressionRefused: it is not among those that are accepted.
    """
    _Reading(expression).check()
    try:
        return re.compile(expression, re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise ExpressionRefused(f"it cannot be read: {error}") from None


@dataclass(slots=True)
class _Group:
    """A group while it is read.

    Attributes:
        firsts: of each alternative, the character that it begins with; None where that is no single
            character.
        last: the character that it ends with; None where that is no single character.
        varying: the atoms in it, as they are written, that may be there more or less often.
        begun: whether the present alternative has an atom yet.
    """

    firsts: list[str | None] = field(default_factory=list)
    last: str | None = None
    varying: list[str] = field(default_factory=list)
    begun: bool = False

    def add(self, first: str | None, last: str | None) -> None:
        """An atom or a group follows, that begins and ends so."""
        if not self.begun:
            self.firsts.append(first)
            self.begun = True
        self.last = last

    def turn(self) -> None:
        """The next alternative follows."""
        if not self.begun:
            self.firsts.append(None)
        self.begun = False

    def ambiguity(self) -> str | None:
        """Why the group may not be repeated; None if it may."""
        if not self.begun:
            self.firsts.append(None)
        if len(self.firsts) > 1 and (
            None in self.firsts or len(set(self.firsts)) < len(self.firsts)
        ):
            return (
                "a repeated group may hold alternatives only if each begins with its own character"
            )
        if (
            self.varying
            and not all(self._cannot_vary_into(first) for first in self.firsts)
            and not (len(self.firsts) == 1 and self._cannot_vary_into(self.last))
        ):
            return (
                "a repeated group may hold repetitions and optional parts only if it begins or ends "
                "with a character that these cannot match"
            )
        return None

    def _cannot_vary_into(self, character: str | None) -> bool:
        return character is not None and not any(
            re.fullmatch(atom, character, re.ASCII | re.DOTALL) for atom in self.varying
        )


class _Reading:
    """One expression while it is read, from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._open: list[_Group] = [_Group()]

    def check(self) -> None:
        """Reads it all.

        Raises:
            ExpressionRefused: something in it is not accepted.
        """
        while self._at < len(self._text):
            self._piece()
        if len(self._open) > 1:
            raise ExpressionRefused("a bracket is not closed")

    def _piece(self) -> None:
        letter = self._text[self._at]
        group = self._open[-1]
        if letter == "(":
            self._begin_group()
        elif letter == ")":
            self._end_group()
        elif letter == "|":
            self._at += 1
            group.turn()
        elif letter in "^$":
            self._at += 1
            self._no_quantifier()
        elif letter in "*+?" or _BOUNDS.match(self._text, self._at):
            raise self._refused("there is nothing to repeat")
        else:
            self._atom(group)

    def _atom(self, group: _Group) -> None:
        start = self._at
        first = self._single()
        atom = self._text[start : self._at]
        if first is None and atom[1:] in _PLACE_ESCAPES and atom[0] == "\\":
            self._no_quantifier()
            return
        least, most = self._quantifier()
        # What may be absent does not tell where a round begins or ends.
        only = first if least > 0 else None
        group.add(only, only)
        if least != most:
            group.varying.append(atom)

    def _single(self) -> str | None:
        """Reads one atom; returns the character that it stands for, if it stands for one only."""
        letter = self._text[self._at]
        if letter == "[":
            self._class()
            return None
        if letter == "\\":
            return self._escape()
        self._at += 1
        return None if letter == "." else letter

    def _escape(self) -> str | None:
        follower = self._text[self._at + 1 : self._at + 2]
        if _HEX.match(self._text, self._at):
            character = chr(int(self._text[self._at + 2 : self._at + 4], 16))
            self._at += 4
            return character
        if follower and follower in _CLASS_ESCAPES + _PLACE_ESCAPES:
            self._at += 2
            return None
        if follower and follower in _CONTROL_ESCAPES:
            self._at += 2
            return "\t\n\r\f\v"[_CONTROL_ESCAPES.index(follower)]
        if follower and not follower.isalnum() and follower.isascii():
            self._at += 2
            return follower
        if follower.isdigit():
            raise self._refused("it cannot refer back to a group")
        raise self._refused(f"the escape \\{follower} is not understood")

    def _class(self) -> None:
        start = self._at
        self._at += 1
        if self._text[self._at : self._at + 1] == "^":
            self._at += 1
        if self._text[self._at : self._at + 1] == "]":
            self._at += 1
        while self._text[self._at : self._at + 1] != "]":
            if self._at >= len(self._text):
                self._at = start
                raise self._refused("a square bracket is not closed")
            if self._text[self._at] == "[":
                raise self._refused("write [ in a class as \\[")
            if self._text[self._at : self._at + 2] in ("--", "&&", "~~", "||"):
                raise self._refused("doubled signs in a class are not understood")
            if self._text[self._at] == "\\":
                if self._text[self._at + 1 : self._at + 2] in ("b", "B", "A"):
                    raise self._refused("that escape cannot stand in a class")
                self._escape()
            else:
                self._at += 1
        self._at += 1

    def _begin_group(self) -> None:
        if len(self._open) > _DEEPEST:
            raise self._refused(f"groups are nested more than {_DEEPEST} deep")
        named = _GROUP_NAME.match(self._text, self._at)
        if named:
            self._at = named.end()
        elif self._text.startswith("(?:", self._at):
            self._at += 3
        elif self._text.startswith("(?", self._at):
            raise self._refused("of groups with (? only (?: and (?P<name> are understood")
        else:
            self._at += 1
        self._open.append(_Group())

    def _end_group(self) -> None:
        if len(self._open) == 1:
            raise self._refused("a bracket is closed that was not opened")
        self._at += 1
        group = self._open.pop()
        least, most = self._quantifier()
        problem = group.ambiguity()
        if problem and (most is None or most > 1):
            raise self._refused(problem)
        outer = self._open[-1]
        single = len(group.firsts) == 1 and least > 0
        outer.add(group.firsts[0] if single else None, group.last if single else None)
        outer.varying += group.varying
        if least != most:
            # How often the group is there varies, and with it what it begins with.
            outer.varying += ["[\\s\\S]" if f is None else re.escape(f) for f in group.firsts]

    def _quantifier(self) -> tuple[int, int | None]:
        """Reads what repeats the atom before: how often at least and at most; None without a bound."""
        sign = self._text[self._at : self._at + 1]
        bounds = _BOUNDS.match(self._text, self._at)
        most: int | None
        if sign and sign in "*+?":
            self._at += 1
            least, most = (1 if sign == "+" else 0), (1 if sign == "?" else None)
        elif bounds:
            self._at = bounds.end()
            least = int(bounds[1])
            most = least if bounds[2] is None else int(bounds[3]) if bounds[3] else None
            if max(least, most or 0) > _MOST_ROUNDS:
                raise self._refused(f"a repetition has at most {_MOST_ROUNDS} rounds")
        else:
            return 1, 1
        follower = self._text[self._at : self._at + 1]
        if follower == "?":
            self._at += 1
        elif follower and (follower in "*+" or _BOUNDS.match(self._text, self._at)):
            raise self._refused("a repetition cannot be repeated")
        return least, most

    def _no_quantifier(self) -> None:
        if self._text[self._at : self._at + 1] in ("*", "+", "?") or _BOUNDS.match(
            self._text, self._at
        ):
            raise self._refused("a place cannot be repeated")

    def _refused(self, problem: str) -> ExpressionRefused:
        return ExpressionRefused(f"{problem} (character {self._at + 1})")
