"""How often one person may write."""

from __future__ import annotations

from dataclasses import dataclass

from chassis.limits import RateLimiter
from feed_svc.domain.faults import TooManyRequests


@dataclass(frozen=True, slots=True)
class Pace:
    """A bucket of tokens for each person.

    Attributes:
        burst: how many at once.
        refill_seconds: how long one takes to come back.
    """

    burst: int
    refill_seconds: float


class Limiting:
    """Keeps one person from writing more than may be."""

    def __init__(self, limiter: RateLimiter, words: Pace, votes: Pace) -> None:
        """Counts with a limiter.

        Args:
            limiter: buckets of tokens.
            words: of comments and reviews, and their changes.
            votes: of votes.
        """
        self._limiter = limiter
        self._words = words
        self._votes = votes

    async def words(self, person: str) -> None:
        """Lets somebody write a comment or a review.

        Raises:
            TooManyRequests: not yet.
        """
        await self._take(f"words of {person}", self._words)

    async def votes(self, person: str) -> None:
        """Lets somebody vote.

        Raises:
            TooManyRequests: not yet.
        """
        await self._take(f"votes of {person}", self._votes)

    async def _take(self, key: str, pace: Pace) -> None:
        wait = await self._limiter.take(key, pace.burst, pace.refill_seconds)
        if wait > 0:
            raise TooManyRequests(
                "You have written a lot in a short time; wait, then try again.", retry_after=wait
            )
