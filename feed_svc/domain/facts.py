"""What has happened in a feed."""

from __future__ import annotations

from dataclasses import dataclass

from feed_svc.domain.feed import Comment, Review


@dataclass(frozen=True, slots=True)
class CommentCreated:
    """Somebody has said something.

    Attributes:
        comment: as it was then.
        reply_to_author: who wrote what it answers; empty where it answers nothing.
    """

    comment: Comment
    reply_to_author: str


@dataclass(frozen=True, slots=True)
class CommentUpdated:
    """An author has changed a comment."""

    comment: Comment


@dataclass(frozen=True, slots=True)
class CommentDeleted:
    """An author or an admin has deleted a comment; as it was before."""

    comment: Comment


@dataclass(frozen=True, slots=True)
class ReviewWritten:
    """Somebody has reviewed a machine.

    Attributes:
        review: as it was then.
        replaced: whether it took the place of an earlier one.
    """

    review: Review
    replaced: bool


@dataclass(frozen=True, slots=True)
class ReviewDeleted:
    """An author or an admin has deleted a review; as it was before."""

    review: Review


@dataclass(frozen=True, slots=True)
class VotesChanged:
    """Somebody has voted, or withdrawn a vote."""


@dataclass(frozen=True, slots=True)
class AuthorRemoved:
    """What somebody wrote, whose account is gone, has no author any more."""


@dataclass(frozen=True, slots=True)
class FeedRemoved:
    """The machine is gone, and its feed with it."""


Fact = (
    CommentCreated
    | CommentUpdated
    | CommentDeleted
    | ReviewWritten
    | ReviewDeleted
    | VotesChanged
    | AuthorRemoved
    | FeedRemoved
)
