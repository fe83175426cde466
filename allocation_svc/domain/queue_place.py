"""Places in the queue for room, and how fast it moves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

_OLD = 0.7


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """Where one stands.

    Attributes:
        position: from 1: the next one.
        length: how many wait.
        expected_time: when its turn is likely to come; None where it cannot be said.
    """

    position: int
    length: int
    expected_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the queue moves.

    Attributes:
        pause_seconds: between two that were admitted from it, of late; None where it is not known.
        left_time: when the last one was admitted, or the queue began.
    """

    pause_seconds: float | None = None
    left_time: datetime | None = None

    def expected(self, position: int, now: datetime) -> datetime | None:
        """When the turn of a position is likely to come; None where it cannot be said."""
        if self.pause_seconds is None or self.left_time is None:
            return None
        # A pause that lasts is longer than was thought.
        pause = timedelta(seconds=max(self.pause_seconds, (now - self.left_time).total_seconds()))
        return max(now, self.left_time + pause) + pause * (position - 1)

    def left(self, now: datetime) -> Pace:
        """The pace once one more was admitted."""
        if self.left_time is None:
            return Pace(self.pause_seconds, now)
        gap = max(0.0, (now - self.left_time).total_seconds())
        before = gap if self.pause_seconds is None else self.pause_seconds
        return Pace(_OLD * before + (1 - _OLD) * gap, now)
