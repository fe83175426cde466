"""Words of machines, and of those who look for them: the same for every store."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from machines_svc.domain.machine import MachineSpec

WORDS_VERSION = 1
"""Raised with each change of what words a machine has: stores then make them anew."""

MOST_WORDS = 400
"""How many words of a machine are kept; those of the title and the tags come first."""

MOST_WANTED = 10
"""How many words of a query are looked for; the others are not."""

_LONGEST = 40
# Scripts that are written without spaces: each sign is a word.
_ALONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_ALONE}]|(?:(?![{_ALONE}])[^\W_])+")


class Place(IntEnum):
    """Where a word stands; the higher, the more it says about the machine."""

    DESCRIPTION = 1
    TAGS = 2
    TITLE = 3


@dataclass(frozen=True, slots=True)
class Query:
    """What somebody looks for: every word must be there, the last one as a beginning.

    Attributes:
        words: whole words.
        beginning: of a further word.
    """

    words: tuple[str, ...]
    beginning: str


def words_in(text: str) -> Iterator[str]:
    """The words of a text in their order: without case and accents, 40 characters at most."""
    plain = unicodedata.normalize("NFKD", text.casefold()).casefold()
    kept = "".join(sign for sign in plain if not unicodedata.combining(sign))
    for found in _WORD.finditer(kept):
        yield found.group()[:_LONGEST]


def words_of(name: str, spec: MachineSpec) -> dict[str, Place]:
    """The words of a machine, and the best place where each stands.

    Args:
        name: `machines/{machine}`; its last part counts as a tag.
        spec: of the machine.
    """
    texts = (
        (Place.TITLE, spec.title),
        (Place.TAGS, " ".join((name.partition("/")[2], spec.category, *spec.tags))),
        (Place.DESCRIPTION, spec.description),
    )
    found: dict[str, Place] = {}
    for place, text in texts:
        for word in words_in(text):
            if len(found) >= MOST_WORDS:
                return found
            found.setdefault(word, place)
    return found


def query_of(text: str) -> Query | None:
    """What a text looks for; None where it has no word, which looks for everything."""
    *words, beginning = list(words_in(text))[:MOST_WANTED] or [""]
    return Query(tuple(dict.fromkeys(words)), beginning) if beginning else None


def relevance(words: Mapping[str, Place], query: Query) -> int:
    """How well a machine answers a query: the worst place among the best ones of each word.

    Returns:
        3 where every word is in the title, 2 where each is in the title, the name, the category or
        the tags, 1 where each is somewhere, 0 where one is nowhere.
    """
    whole = [words.get(word, 0) for word in query.words]
    begun = max((p for word, p in words.items() if word.startswith(query.beginning)), default=0)
    return int(min([*whole, begun]))
