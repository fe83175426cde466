"""Pages of lists that are ordered by time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chassis.listing import PageRequest, next_token


def token_after(
    found: Sequence[Any],
    page: PageRequest,
    *bound: object,
    key: Callable[[Any], Sequence[Any]] = lambda last: (last.create_time, last.id),
) -> str:
    """The token of the next page, where one more was found than the page holds.

    Args:
        found: what was found, one more than the page holds where there is more.
        page: which was asked for.
        bound: the other arguments of the list.
        key: what the list is ordered by, of its last entry.
    """
    if len(found) <= page.size:
        return ""
    return next_token(key(found[page.size - 1]), *bound)
