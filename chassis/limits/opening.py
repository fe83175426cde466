"""Opening what limits are kept in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from chassis.clock import Clock
from chassis.limits.memory import MemoryFailureDelays, MemoryRateLimiter
from chassis.limits.port import FailureDelays, RateLimiter


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits, ready to be used.

    Attributes:
        limiter: buckets of tokens.
        failures: delays that grow with failures.
        watches: to be run as tasks of the service, so that `problem` is true without calls too;
            empty where nothing is shared.
        problem: a sentence for /readyz while limits are not shared that should be; else None.
        close: to be awaited at the end.
    """

    limiter: RateLimiter
    failures: FailureDelays
    watches: Sequence[Callable[[], Awaitable[None]]]
    problem: Callable[[], str | None]
    close: Callable[[], Awaitable[None]]


def open_limits(url: str, clock: Clock, owner: str) -> Limits:
    """Opens the limits of a service. It waits for nothing: a server may be away, now or later.

    Args:
        url: `redis://host:6379/0`, where replicas count together; empty for the memory of this
            process.
        clock: the time.
        owner: the service whose limits they are; others do not meet them.

    Raises:
        ValueError: there is no adapter for such a URL.
    """
    limiter, failures = MemoryRateLimiter(clock), MemoryFailureDelays(clock)
    if not url:
        return Limits(limiter, failures, (), lambda: None, _nothing)
    scheme = url.partition(":")[0]
    if scheme not in ("redis", "rediss"):
        raise ValueError(f"there are no limits for {scheme}: URLs; use redis://host:port/number")
    from chassis.keyvalue.server import KeyValueServer
    from chassis.limits.fallback import FallbackFailureDelays, FallbackRateLimiter
    from chassis.limits.redis import RedisFailureDelays, RedisRateLimiter

    server = KeyValueServer(url, clock)

    def problem() -> str | None:
        if not server.is_away:
            return None
        return "each replica counts limits for itself, because what they share is away"

    return Limits(
        FallbackRateLimiter(RedisRateLimiter(server, f"allocator:{owner}:rate"), limiter),
        FallbackFailureDelays(RedisFailureDelays(server, f"allocator:{owner}:failures"), failures),
        (server.watch,),
        problem,
        server.close,
    )


async def _nothing() -> None:
    """Has nothing to close."""
