"""The comments of the contracts, which the stubs leave out."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import cast

import orjson


@cache
def _all() -> dict[str, str]:
    """Comments by full name; `tools/stubs.py` writes them beside the stubs."""
    file = resources.files("allocator") / "comments.json"
    return cast("dict[str, str]", orjson.loads(file.read_bytes()))


def comment_of(full_name: str) -> str:
    """The comment of an element of a contract; empty where there is none.

    Args:
        full_name: of a package, service, method, message, field, enum; values of an enum are named
            inside it, `allocator.users.v1.User.State.ACTIVE`.
    """
    return _all().get(full_name, "")


def flowing(text: str) -> str:
    """A comment without the line breaks that only keep its source narrow.

    Lines that begin with `Fails with` begin a paragraph.
    """
    text = text.replace("\nFails with ", "\n\nFails with ")
    paragraphs = text.split("\n\n")
    return "\n\n".join(" ".join(one.split()) for one in paragraphs)
