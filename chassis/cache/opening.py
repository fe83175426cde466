"""Opening a cache."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from chassis.cache.memory import MemoryCache
from chassis.cache.port import Cache
from chassis.clock import Clock


@dataclass(frozen=True, slots=True)
class OpenCache:
    """A cache, ready to be used.

    Attributes:
        cache: it never fails.
        watches: to be run as tasks of the service, so that `problem` is true without calls too;
            empty where nothing is shared.
        problem: a sentence for /readyz while it is not shared that should be; else None.
        close: to be awaited at the end.
    """

    cache: Cache
    watches: Sequence[Callable[[], Awaitable[None]]]
    problem: Callable[[], str | None]
    close: Callable[[], Awaitable[None]]


def open_cache(url: str, clock: Clock, owner: str) -> OpenCache:
    """Opens the cache of a service. It waits for nothing: a server may be away, now or later.

    Args:
        url: `redis://host:6379/0`, where replicas share one; empty for the memory of this process.
        clock: the time.
        owner: the service whose cache it is; others do not meet it.

    Raises:
        ValueError: there is no adapter for such a URL.
    """
    own = MemoryCache(clock)
    if not url:
        return OpenCache(own, (), lambda: None, _nothing)
    scheme = url.partition(":")[0]
    if scheme not in ("redis", "rediss"):
        raise ValueError(f"there is no cache for {scheme}: URLs; use redis://host:port/number")
    from chassis.cache.fallback import FallbackCache
    from chassis.cache.redis import RedisCache
    from chassis.keyvalue.server import KeyValueServer

    server = KeyValueServer(url, clock)

    def problem() -> str | None:
        if not server.is_away:
            return None
        return "each replica has a cache of its own, because what they share is away"

    shared = RedisCache(server, f"allocator:{owner}:cache")
    return OpenCache(FallbackCache(shared, own), (server.watch,), problem, server.close)


async def _nothing() -> None:
    """Has nothing to close."""
