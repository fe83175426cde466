"""Feeds between the wire and the domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from allocator.feed.v1 import feed_facts_pb2, feed_pb2
from allocator.users.v1 import user_pb2
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.bus import Record
from chassis.bus.facts import fact_records
from chassis.clock import millis_of, truncated
from chassis.faults import Invalid
from chassis.listing import etag_of
from feed_svc.domain.facts import (
    AuthorRemoved,
    CommentCreated,
    CommentDeleted,
    CommentUpdated,
    Fact,
    FeedRemoved,
    ReviewDeleted,
    ReviewWritten,
    VotesChanged,
)
from feed_svc.domain.feed import (
    DELETED,
    Author,
    Comment,
    Direction,
    Feed,
    LineReference,
    Review,
    Vote,
    comment_name,
)

Authors = Mapping[str, Author]
"""What people are called, by `users/{user}`."""

NOBODY_KNOWN: Authors = {}
"""For messages that go without names."""

_LONGEST_NAME = 300


def line_of(message: feed_pb2.Comment) -> LineReference | None:
    """The line that a comment is about."""
    if not message.HasField("line"):
        return None
    return LineReference(message.line.allocation, message.line.cursor)


def direction_of(message: feed_pb2.Vote) -> Direction:
    """Which way a vote goes; the message keeps the rules of the contract."""
    return Direction(feed_pb2.Vote.Direction.Name(message.direction))


def comment_message(comment: Comment, authors: Authors) -> feed_pb2.Comment:
    """A comment as it is sent."""
    author, author_name = _shown(comment.author, authors)
    message = feed_pb2.Comment(
        name=comment.name,
        uid=comment.uid,
        author=author,
        author_name=author_name,
        text=comment.text,
        reply_to=comment_name(comment.machine, comment.thread, 0) if comment.reply else "",
        reply_count=comment.replies,
        deleted=comment.deleted,
        etag=etag_of(comment.version),
        create_time=_timestamp(comment.create_time),
        update_time=_timestamp(comment.update_time),
    )
    if comment.line is not None:
        message.line.allocation = comment.line.allocation
        message.line.cursor = comment.line.cursor
    return message


def review_message(review: Review, authors: Authors) -> feed_pb2.Review:
    """A review as it is sent."""
    author, author_name = _shown(review.author, authors)
    return feed_pb2.Review(
        name=review.name,
        uid=review.uid,
        author=author,
        author_name=author_name,
        stars=review.stars,
        text=review.text,
        etag=etag_of(review.version),
        create_time=_timestamp(review.create_time),
        update_time=_timestamp(review.update_time),
    )


def vote_message(vote: Vote) -> feed_pb2.Vote:
    """A vote as its owner gets it."""
    return feed_pb2.Vote(
        name=f"{vote.machine}/votes/me",
        direction=feed_pb2.Vote.Direction.Value(vote.direction.value),
        update_time=_timestamp(vote.update_time),
    )


def summary_message(feed: Feed, own: Vote | None = None) -> feed_pb2.FeedSummary:
    """What a feed adds up to, as it is sent."""
    return feed_pb2.FeedSummary(
        name=f"{feed.machine}/feedSummary",
        machine=feed.machine,
        likes=feed.likes,
        dislikes=feed.dislikes,
        comments=feed.comments,
        reviews=feed.reviews,
        average_rating=feed.average,
        histogram=feed.stars,
        version=feed.version,
        own_vote=feed_pb2.Vote.Direction.Value(own.direction.value)
        if own
        else feed_pb2.Vote.DIRECTION_UNSPECIFIED,
    )


def records_of(feed: Feed, fact: Fact, now: datetime) -> Sequence[Record]:
    """What goes onto the bus when something has happened.

    Args:
        feed: the numbers after it.
        fact: what has happened.
        now: the present.
    """
    return fact_records(
        noun="feed",
        source="feed_svc",
        fact=_fact_message(feed, fact),
        resource=None if isinstance(fact, FeedRemoved) else summary_message(feed),
        key=feed.machine,
        version=feed.version,
        now=now,
    )


def author_of(message: user_pb2.User, version: int) -> Author:
    """What a person is called, as an account says it."""
    shown = f"{message.given_name} {message.family_name}".strip()
    return Author(message.name, shown[:_LONGEST_NAME], version)


def version_in(record: Record) -> int:
    """The version that a record is of.

    Raises:
        Invalid: it does not say one.
    """
    try:
        version = int(record.headers["version"])
    except (KeyError, ValueError):
        version = 0
    if version < 1:
        raise Invalid(f"The record of {record.key} on {record.topic} says no version.")
    return version


def time_in(record: Record) -> datetime:
    """When a record says that it happened.

    Raises:
        Invalid: it does not say that.
    """
    try:
        return truncated(datetime.fromisoformat(record.headers["ce-time"]).astimezone(UTC))
    except (KeyError, ValueError):
        raise Invalid(f"The record of {record.key} on {record.topic} says no time.") from None


def _fact_message(feed: Feed, fact: Fact) -> Message:
    match fact:
        case CommentCreated(comment, reply_to_author):
            return feed_facts_pb2.CommentCreated(
                comment=comment_message(comment, NOBODY_KNOWN), reply_to_author=reply_to_author
            )
        case CommentUpdated(comment):
            return feed_facts_pb2.CommentUpdated(comment=comment_message(comment, NOBODY_KNOWN))
        case CommentDeleted(comment):
            return feed_facts_pb2.CommentDeleted(name=comment.name, author=comment.author)
        case ReviewWritten(review, replaced):
            return feed_facts_pb2.ReviewWritten(
                review=review_message(review, NOBODY_KNOWN), replaced=replaced
            )
        case ReviewDeleted(review):
            return feed_facts_pb2.ReviewDeleted(name=review.name, author=review.author)
        case VotesChanged():
            return feed_facts_pb2.VotesChanged(
                machine=feed.machine, likes=feed.likes, dislikes=feed.dislikes
            )
        case AuthorRemoved():
            return feed_facts_pb2.AuthorRemoved(machine=feed.machine)
        case FeedRemoved():
            return feed_facts_pb2.FeedRemoved(machine=feed.machine)


def _shown(author: str, authors: Authors) -> tuple[str, str]:
    """The author's name as a resource, and what they are called."""
    known = authors.get(author)
    if known is None:
        return author, ""
    return (DELETED, "") if known.gone else (author, known.shown)


def _timestamp(instant: datetime) -> Timestamp:
    seconds, millis = divmod(millis_of(instant), 1000)
    return Timestamp(seconds=seconds, nanos=millis * 1_000_000)
