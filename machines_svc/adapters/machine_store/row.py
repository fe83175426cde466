"""What every store keeps beside the document of a machine, to search by."""

from __future__ import annotations

from typing import Any

from machines_svc.domain.machine import Machine
from machines_svc.domain.searching import WORDS_VERSION, Place, words_of
from machines_svc.ports import page_key

TAGGED = "#"
"""What stands before a tag among the words: a tag is one word there, whatever is in it."""

NEW = {"rating": 0, "reviews": 0, "rents": 0, "feed_version": 0}
"""What nobody has made anything of yet: the columns that no change of the machine touches."""


def row_of(machine: Machine, document: dict[str, Any]) -> dict[str, Any]:
    """The columns, or fields, of a machine by their names.

    Args:
        machine: to be kept.
        document: of it, by `document_of`.
    """
    spec = machine.spec
    return {
        "name": machine.name,
        "uid": machine.uid,
        "version": machine.version,
        "state": machine.state.value,
        "title_folded": page_key(machine, [("title", False)])[0],
        "image": spec.image,
        "image_folded": spec.image.casefold(),
        "resource_class": spec.resource_class,
        "publisher": machine.publisher,
        "create_time": machine.create_time,
        "update_time": machine.update_time,
        "document": document,
        "category": spec.category,
        "price": spec.price_per_hour.minor_units if spec.price_per_hour else 0,
        "waiting": int(machine.is_submitted),
        "indexed": WORDS_VERSION,
    }


def placed_words(machine: Machine) -> dict[str, int]:
    """The words of a machine, each with its place, and its tags, which have none."""
    words: dict[str, int] = dict(words_of(machine.name, machine.spec))
    return {**words, **{f"{TAGGED}{tag}": 0 for tag in machine.spec.tags}}


def listed_words(machine: Machine) -> list[str]:
    """The words of a machine as one list: each once for its place and each lower one, `3redis`."""
    listed: list[str] = []
    for word, place in placed_words(machine).items():
        listed += [f"{lower}{word}" for lower in range(1, place + 1)] or [word]
    return listed


def standing_word(place: Place | int, word: str) -> str:
    """A word as `listed_words` has it where it stands at a place or a better one."""
    return f"{int(place)}{word}"
