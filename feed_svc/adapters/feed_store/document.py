"""What is in a feed as plain rows, which every store keeps as they are; and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chassis.clock import instant_of, millis_of
from feed_svc.domain.feed import Comment, LineReference, Review


def document_of(comment: Comment) -> dict[str, Any]:
    """The answer to a request: a comment as JSON takes it, times in milliseconds since 1970."""
    line = comment.line
    return {
        "machine": comment.machine,
        "thread": comment.thread,
        "reply": comment.reply,
        "uid": comment.uid,
        "author": comment.author,
        "text": comment.text,
        "line_allocation": line.allocation if line else "",
        "line_cursor": line.cursor if line else 0,
        "replies": comment.replies,
        "replies_made": comment.replies_made,
        "deleted": comment.deleted,
        "version": comment.version,
        "create_time": millis_of(comment.create_time),
        "update_time": millis_of(comment.update_time),
    }


def comment_of(document: Mapping[str, Any]) -> Comment:
    """The comment of a document."""
    allocation = document["line_allocation"]
    return Comment(
        machine=document["machine"],
        thread=document["thread"],
        reply=document["reply"],
        uid=document["uid"],
        author=document["author"],
        text=document["text"],
        line=LineReference(allocation, document["line_cursor"]) if allocation else None,
        replies=document["replies"],
        replies_made=document["replies_made"],
        deleted=bool(document["deleted"]),
        version=document["version"],
        create_time=instant_of(document["create_time"]),
        update_time=instant_of(document["update_time"]),
    )


def review_document(review: Review) -> dict[str, Any]:
    """A review as JSON takes it, times in milliseconds since 1970."""
    return {
        "machine": review.machine,
        "number": review.number,
        "uid": review.uid,
        "author": review.author,
        "stars": review.stars,
        "text": review.text,
        "version": review.version,
        "create_time": millis_of(review.create_time),
        "update_time": millis_of(review.update_time),
    }


def review_of(document: Mapping[str, Any]) -> Review:
    """The review of a document."""
    return Review(
        machine=document["machine"],
        number=document["number"],
        uid=document["uid"],
        author=document["author"],
        stars=document["stars"],
        text=document["text"],
        version=document["version"],
        create_time=instant_of(document["create_time"]),
        update_time=instant_of(document["update_time"]),
    )
