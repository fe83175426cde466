"""How this service fails."""

from __future__ import annotations

from chassis.faults import Conflict, Exhausted, Forbidden, Invalid, NotFound, WrongState


class CommentNotFound(NotFound):
    """There is no such comment."""

    reason = "COMMENT_NOT_FOUND"


class CommentNotYours(Forbidden):
    """Somebody else wrote the comment."""

    reason = "COMMENT_NOT_YOURS"


class CommentDeleted(WrongState):
    """The comment that is answered was deleted."""

    reason = "COMMENT_DELETED"


class ReplyTooDeep(WrongState):
    """A reply cannot be answered."""

    reason = "REPLY_TOO_DEEP"


class RepliesFull(Exhausted):
    """The comment has as many replies as it may."""

    reason = "REPLIES_FULL"


class AllocationNotFound(NotFound):
    """There is no such allocation, or it is somebody else's."""

    reason = "ALLOCATION_NOT_FOUND"


class LineOfOtherMachine(Invalid):
    """The line is of an allocation of another machine."""

    reason = "LINE_OF_OTHER_MACHINE"


class ReviewNotFound(NotFound):
    """There is no such review."""

    reason = "REVIEW_NOT_FOUND"


class ReviewNotYours(Forbidden):
    """Somebody else wrote the review."""

    reason = "REVIEW_NOT_YOURS"


class NotRented(Forbidden):
    """The caller has never rented the machine."""

    reason = "NOT_RENTED"


class VoteNotFound(NotFound):
    """The caller has not voted on the machine."""

    reason = "VOTE_NOT_FOUND"


class TooManyRequests(Exhausted):
    """Somebody writes more than they may."""

    reason = "TOO_MANY_REQUESTS"


class FeedChanged(Conflict):
    """The feed was changed since it was read."""

    reason = "ETAG_STALE"


def no_comment(name: str) -> CommentNotFound:
    """The fault for a name that no comment has."""
    return CommentNotFound(
        f"There is no comment {name!r}; list the comments of the machine.", comment=name
    )


def no_review(name: str) -> ReviewNotFound:
    """The fault for a name that no review has."""
    return ReviewNotFound(
        f"There is no review {name!r}; list the reviews of the machine.", review=name
    )


def changed_since(name: str) -> FeedChanged:
    """The fault for a change that was made from an older version."""
    return FeedChanged(
        f"{name} was changed since it was read; read it again, apply the change to what is there "
        "now, and send that etag.",
        name=name,
    )
