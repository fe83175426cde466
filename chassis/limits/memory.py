"""Buckets and failures in the memory of this process."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from chassis.clock import Clock
from chassis.limits.port import FORGOTTEN_AFTER, MOST_DOUBLINGS, Delays

MOST_KEYS = 50_000
"""How many keys are remembered by default."""


@dataclass(slots=True)
class _Bucket:
    """How many tokens there were at which moment."""

    tokens: float
    at: float


class MemoryRateLimiter:
    """A RateLimiter for one process; each replica counts for itself.

    Args:
        clock: the time.
        most: how many keys are remembered; the one that was asked for longest ago is forgotten.
    """

    def __init__(self, clock: Clock, most: int = MOST_KEYS) -> None:
        self._clock = clock
        self._most = most
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    async def take(self, key: str, burst: int, refill_seconds: float) -> float:
        """Takes a token: 0 if there was one, else the seconds until there is one."""
        now = self._clock.monotonic()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(float(burst), now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        back = (now - bucket.at) / refill_seconds
        bucket.tokens, bucket.at = min(float(burst), bucket.tokens + back), now
        # A hair's breadth for the rounding of many small additions.
        if bucket.tokens >= 1.0 - 1e-9:
            bucket.tokens -= 1.0
            return 0.0
        return (1.0 - bucket.tokens) * refill_seconds


@dataclass(slots=True)
class _Failures:
    """How many there were, and when the last one was."""

    count: int
    at: float


class MemoryFailureDelays:
    """FailureDelays for one process; each replica counts for itself.

    Args:
        clock: the time.
        most: how many keys are remembered; the one that failed longest ago is forgotten.
    """

    def __init__(self, clock: Clock, most: int = MOST_KEYS) -> None:
        self._clock = clock
        self._most = most
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    async def attempt(self, key: str, delays: Delays) -> float:
        """Begins an attempt: 0 if it may go on, else the seconds to wait."""
        now = self._clock.monotonic()
        known = self._failures.get(key)
        if known is not None and now - known.at > FORGOTTEN_AFTER * delays.longest_seconds:
            known.count = 0
        if known is None:
            known = self._failures[key] = _Failures(0, now)
            if len(self._failures) > self._most:
                self._failures.popitem(last=False)
        beyond = known.count - delays.free
        if beyond >= 0:
            pause = delays.first_seconds * 2.0 ** min(beyond, MOST_DOUBLINGS)
            left = known.at + min(pause, delays.longest_seconds) - now
            if left > 0:
                return left
        known.count, known.at = known.count + 1, now
        self._failures.move_to_end(key)
        return 0.0

    async def forgive(self, key: str) -> None:
        """Takes one attempt back."""
        known = self._failures.get(key)
        if known is not None:
            known.count = max(0, known.count - 1)

    async def forget(self, key: str) -> None:
        """Forgets every failure of a key."""
        self._failures.pop(key, None)
