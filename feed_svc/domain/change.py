"""A change of a feed: what is written together, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feed_svc.domain.facts import Fact
from feed_svc.domain.feed import Comment, Feed, Review, Vote

MOST_ROWS = 64
"""How many rows one change writes at most."""


@dataclass(frozen=True, slots=True)
class Change:
    """The feed of a machine as it shall be, and the rows that differ.

    Attributes:
        feed: its numbers; the version is still that which it was made from.
        comments: to be kept, in place of what is there under their numbers.
        gone_comments: thread and reply of those to be removed.
        reviews: to be kept, in place of what is there under their numbers.
        gone_reviews: to be removed.
        votes: to be kept, in place of what the person has.
        gone_votes: whose vote is to be removed, `users/{user}`.
        gone_people: who has no vote and no review here any more, because the account is gone.
        facts: what has happened then, in this order.
    """

    feed: Feed
    comments: Sequence[Comment] = ()
    gone_comments: Sequence[tuple[int, int]] = ()
    reviews: Sequence[Review] = ()
    gone_reviews: Sequence[Review] = ()
    votes: Sequence[Vote] = ()
    gone_votes: Sequence[str] = ()
    gone_people: Sequence[str] = ()
    facts: Sequence[Fact] = ()
