"""Reading the names of what is in a feed."""

from __future__ import annotations

import re

from feed_svc.domain.faults import no_comment, no_review

OWN = "me"
"""Stands for the caller's own review."""

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


def comment_place(name: str) -> tuple[str, int, int]:
    """The machine, the thread and the reply of a comment's name; 0 for the comment itself.

    Raises:
        CommentNotFound: no comment has such a name.
    """
    machine, _, last = name.rpartition("/comments/")
    thread, dash, reply = last.partition("-")
    if not _NUMBER.fullmatch(thread) or (dash and not _NUMBER.fullmatch(reply)):
        raise no_comment(name)
    return machine, int(thread), int(reply or 0)


def review_place(name: str) -> tuple[str, int]:
    """The machine and the number of a review's name; 0 for the caller's own.

    Raises:
        ReviewNotFound: no review has such a name.
    """
    machine, _, last = name.rpartition("/reviews/")
    if last == OWN:
        return machine, 0
    if not _NUMBER.fullmatch(last):
        raise no_review(name)
    return machine, int(last)


def machine_of(name: str) -> str:
    """The machine of the name of something in its feed."""
    return "/".join(name.split("/")[:2])
