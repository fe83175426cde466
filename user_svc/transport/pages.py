"""Pages of lists that are ordered by time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chassis.listing import PageRequest, next_token


def token_after(found: Sequence[Any], page: PageRequest, *bound: object) -> str:
    """The token of the next page, where one more was found than the page holds."""
    if len(found) <= page.size:
        return ""
    last = found[page.size - 1]
    return next_token((last.create_time, last.id), *bound)
