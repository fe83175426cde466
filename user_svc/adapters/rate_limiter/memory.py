"""Buckets of tokens in the memory of this process."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from chassis.clock import Clock


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

    def __init__(self, clock: Clock, most: int = 50_000) -> None:
        self._clock = clock
        self._most = most
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, key: str, burst: int, refill_seconds: float) -> float:
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
