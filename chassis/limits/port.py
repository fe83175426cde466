"""The ports, and what every adapter of them promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

FORGOTTEN_AFTER = 10
"""Failures are forgotten after so many times the longest wait without another one."""

MOST_DOUBLINGS = 40
"""A wait stops doubling after so many times, long before numbers grow too large."""


class RateLimiter(Protocol):
    """Says how often something may be done: a bucket of tokens for each key.

    Counts are no promise: what keeps them may forget them, and every bucket is full again.
    """

    async def take(self, key: str, burst: int, refill_seconds: float) -> float:
        """Takes a token from the bucket of `key`.

        Args:
            key: what is limited; any text.
            burst: how many tokens the bucket holds, at least 1; it is full at first.
            refill_seconds: how long one token takes to come back; above 0.

        Returns:
            0 if there was one; else the seconds until there is one, and nothing was taken.

        Raises:
            Unavailable: what keeps the buckets does not answer, known within half a second.
        """
        ...


@dataclass(frozen=True, slots=True)
class Delays:
    """How failures slow down whoever fails.

    Attributes:
        free: how many failures cost nothing.
        first_seconds: the wait after the next one; it doubles with each further failure.
        longest_seconds: the longest wait. Failures are forgotten after ten times as long.
    """

    free: int
    first_seconds: float
    longest_seconds: float


class FailureDelays(Protocol):
    """Makes whoever fails again and again wait longer and longer.

    Counts are no promise: what keeps them may forget them, and nobody has failed yet. Every method
    raises Unavailable where what keeps them does not answer, known within half a second.
    """

    async def attempt(self, key: str, delays: Delays) -> float:
        """Begins an attempt.

        It counts as a failure until it is forgiven: attempts that run at the same moment do not slip
        through together.

        Args:
            key: who fails; any text.
            delays: how that slows them down.

        Returns:
            0 if it may go on; else the seconds to wait, and nothing was counted.
        """
        ...

    async def forgive(self, key: str) -> None:
        """Takes one attempt back: it did not fail."""
        ...

    async def forget(self, key: str) -> None:
        """Forgets every failure of a key."""
        ...
