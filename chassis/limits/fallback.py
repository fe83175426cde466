"""Limits that all replicas share, and that each keeps for itself while nothing can be shared."""

from __future__ import annotations

from chassis.faults import Unavailable
from chassis.limits.port import Delays, FailureDelays, RateLimiter


class FallbackRateLimiter:
    """A RateLimiter that never fails: while the shared one is away, this process counts alone.

    So a limit is still a limit. With n replicas at most n times as much gets through meanwhile.

    Args:
        shared: counts for all replicas.
        own: counts for this process.
    """

    def __init__(self, shared: RateLimiter, own: RateLimiter) -> None:
        self._shared = shared
        self._own = own

    async def take(self, key: str, burst: int, refill_seconds: float) -> float:
        """Takes a token: 0 if there was one, else the seconds until there is one."""
        try:
            return await self._shared.take(key, burst, refill_seconds)
        except Unavailable:
            return await self._own.take(key, burst, refill_seconds)


class FallbackFailureDelays:
    """FailureDelays that never fail: while the shared ones are away, this process counts alone.

    Args:
        shared: count for all replicas.
        own: count for this process.
    """

    def __init__(self, shared: FailureDelays, own: FailureDelays) -> None:
        self._shared = shared
        self._own = own

    async def attempt(self, key: str, delays: Delays) -> float:
        """Begins an attempt: 0 if it may go on, else the seconds to wait."""
        try:
            return await self._shared.attempt(key, delays)
        except Unavailable:
            return await self._own.attempt(key, delays)

    async def forgive(self, key: str) -> None:
        """Takes one attempt back, wherever it was counted: that is not known any more."""
        await self._own.forgive(key)
        try:
            await self._shared.forgive(key)
        except Unavailable:
            # One failure too many is remembered: the wait may come one failure early.
            return

    async def forget(self, key: str) -> None:
        """Forgets every failure of a key."""
        await self._own.forget(key)
        try:
            await self._shared.forget(key)
        except Unavailable:
            # They stay until they are forgotten by themselves.
            return
