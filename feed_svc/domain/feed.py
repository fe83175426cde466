"""The feed of a machine: comments, reviews, votes, and what they add up to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

DELETED = "users/deleted"
"""The author of what somebody wrote whose account is gone."""

MOST_REPLIES = 200
"""How many replies were made to a comment at most: so a page of it stays small in every store."""

NO_STARS = (0, 0, 0, 0, 0)
"""A histogram of nothing."""


class Direction(Enum):
    """Which way somebody votes; the values are the names in the contract."""

    LIKE = "LIKE"
    DISLIKE = "DISLIKE"


@dataclass(frozen=True, slots=True)
class LineReference:
    """A line of the log of an allocation.

    Attributes:
        allocation: `allocations/{allocation}`.
        cursor: the sequence number of the line, from 1.
    """

    allocation: str
    cursor: int


@dataclass(frozen=True, slots=True)
class Comment:
    """What somebody says of a machine, or in reply.

    Attributes:
        machine: `machines/{machine}`.
        thread: which comment of the machine it is, from 1, or which one it answers; never used twice.
        reply: which reply of that comment it is, from 1; 0 for the comment itself.
        uid: a UUID that is never used twice.
        author: `users/{user}`; empty in one that is deleted.
        text: Markdown, as it was written; empty in one that is deleted.
        line: the line that it is about; None for none.
        replies: how many replies it has.
        replies_made: how many replies were ever made to it.
        deleted: whether it was deleted, and stays because it has replies.
        version: counts the changes, from 1.
        create_time: when it was written, UTC in milliseconds.
        update_time: when its author last changed it, UTC in milliseconds.
    """

    machine: str
    thread: int
    reply: int
    uid: str
    author: str
    text: str
    line: LineReference | None
    replies: int
    replies_made: int
    deleted: bool
    version: int
    create_time: datetime
    update_time: datetime

    @property
    def name(self) -> str:
        """`machines/{machine}/comments/{comment}`."""
        return comment_name(self.machine, self.thread, self.reply)


@dataclass(frozen=True, slots=True)
class Review:
    """What somebody who has rented a machine thinks of it.

    Attributes:
        machine: `machines/{machine}`.
        number: which review of the machine it is, from 1; never used twice.
        uid: a UUID that is never used twice.
        author: `users/{user}`.
        stars: one to five.
        text: Markdown, as it was written; may be empty.
        version: counts the changes, from 1.
        create_time: when it was first written, UTC in milliseconds.
        update_time: when its author last changed it, UTC in milliseconds.
    """

    machine: str
    number: int
    uid: str
    author: str
    stars: int
    text: str
    version: int
    create_time: datetime
    update_time: datetime

    @property
    def name(self) -> str:
        """`machines/{machine}/reviews/{review}`."""
        return f"{self.machine}/reviews/{self.number}"


@dataclass(frozen=True, slots=True)
class Vote:
    """Whether somebody likes a machine.

    Attributes:
        machine: `machines/{machine}`.
        person: whose it is, `users/{user}`.
        direction: which way.
        update_time: when it was last changed, UTC in milliseconds.
    """

    machine: str
    person: str
    direction: Direction
    update_time: datetime


@dataclass(frozen=True, slots=True)
class Author:
    """What a person is called.

    Attributes:
        name: `users/{user}`.
        shown: given and family name; empty where there is none.
        version: of the account that this was learnt from.
        gone: whether the account is gone.
    """

    name: str
    shown: str
    version: int
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Feed:
    """What there is of a machine's feed, in numbers.

    Attributes:
        machine: `machines/{machine}`.
        version: counts the changes of the whole feed, from 1; 0 where there never was any.
        epoch: counts how often the machine was deleted; what is of an earlier one is gone.
        likes: how many people like the machine.
        dislikes: how many dislike it.
        comments: how many comments there are, replies among them, deleted ones not.
        stars: how many reviews have one star, two, … five.
        threads_made: how many comments were ever made, replies apart.
        reviews_made: how many reviews were ever made.
        end_time: when the machine was last deleted; None where it never was.
    """

    machine: str
    version: int = 0
    epoch: int = 0
    likes: int = 0
    dislikes: int = 0
    comments: int = 0
    stars: tuple[int, ...] = field(default=NO_STARS)
    threads_made: int = 0
    reviews_made: int = 0
    end_time: datetime | None = None

    @property
    def reviews(self) -> int:
        """How many reviews there are."""
        return sum(self.stars)

    @property
    def average(self) -> float:
        """The mean of the stars; 0 where there is no review."""
        if not self.reviews:
            return 0.0
        return sum((place + 1) * count for place, count in enumerate(self.stars)) / self.reviews

    def with_stars(self, former: int, present: int) -> Feed:
        """The feed with one review changed.

        Args:
            former: the stars that it had; 0 where there was none.
            present: the stars that it has; 0 where it is gone.
        """
        stars = list(self.stars)
        if former:
            stars[former - 1] -= 1
        if present:
            stars[present - 1] += 1
        return replace(self, stars=tuple(stars))

    def with_vote(self, former: Direction | None, present: Direction | None) -> Feed:
        """The feed with one vote changed; None stands for no vote."""
        likes = self.likes + (present is Direction.LIKE) - (former is Direction.LIKE)
        dislikes = self.dislikes + (present is Direction.DISLIKE) - (former is Direction.DISLIKE)
        return replace(self, likes=likes, dislikes=dislikes)

    def ended(self, time: datetime) -> Feed:
        """The empty feed of a machine that was deleted. Its numbers go on, so that none comes twice."""
        return replace(
            self,
            epoch=self.epoch + 1,
            likes=0,
            dislikes=0,
            comments=0,
            stars=NO_STARS,
            end_time=time,
        )


def comment_name(machine: str, thread: int, reply: int) -> str:
    """The name of a comment, `machines/redis/comments/12`, or of a reply, `machines/redis/comments/12-3`."""
    return f"{machine}/comments/{thread}" + (f"-{reply}" if reply else "")
