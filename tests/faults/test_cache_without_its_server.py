"""A cache while the server that replicas share is away, silent, or has lost everything."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
from proxy import Proxy
from redis.asyncio import Redis
from servers import own_name, redis_url

from chassis.cache import Cache, OpenCache, open_cache
from chassis.clock import ManualClock
from chassis.keyvalue.breaker import PAUSE_SECONDS
from tests.conformance.shared_time import forget

pytestmark = pytest.mark.real_redis

DATABASE = 6
PATIENCE = 2.0
"""Seconds: more than a call may take, with some for a busy machine; far less than many calls would."""


@pytest.fixture
async def server() -> AsyncIterator[Redis]:
    """The server itself, past every proxy."""
    client = Redis.from_url(redis_url(DATABASE))
    yield client
    await client.aclose()


@pytest.fixture
async def proxy(server: Redis) -> AsyncIterator[Proxy]:
    """What stands between the server and the replica."""
    where = server.connection_pool.connection_kwargs
    async with Proxy(where["host"], where["port"]) as proxy:
        yield proxy


@pytest.fixture
def clock() -> ManualClock:
    """The time of the replica."""
    return ManualClock()


@pytest.fixture
async def owner(server: Redis) -> AsyncIterator[str]:
    """A service that nobody else has a cache of."""
    name = own_name("shop")
    yield name
    await forget(server, f"allocator:{name}")


@pytest.fixture
async def opened(proxy: Proxy, clock: ManualClock, owner: str) -> AsyncIterator[OpenCache]:
    """The cache of a replica that reaches the server through the proxy."""
    opened = open_cache(f"redis://{proxy.address}/{DATABASE}", clock, owner)
    yield opened
    await opened.close()


@pytest.fixture
async def other(owner: str) -> AsyncIterator[OpenCache]:
    """The cache of another replica, which reaches the server always."""
    opened = open_cache(redis_url(DATABASE), ManualClock(), owner)
    yield opened
    await opened.close()


async def keep(cache: Cache, key: str, value: bytes) -> None:
    """Keeps a value that was made now."""
    found = await cache.get("shop", key)
    await cache.put("shop", key, value, found.version, 1000.0)


async def given(cache: Cache, key: str) -> bytes | None:
    """What is given."""
    began = time.monotonic()
    found = await cache.get("shop", key)
    assert time.monotonic() - began < PATIENCE
    return found.value


async def test_while_the_server_is_away_a_replica_keeps_values_itself(
    opened: OpenCache, other: OpenCache, proxy: Proxy, clock: ManualClock
) -> None:
    cache = opened.cache
    await keep(cache, "page", b"shared")
    await proxy.stop()
    assert await given(cache, "page") is None
    assert opened.problem() is not None
    await keep(cache, "page", b"own")
    assert await given(cache, "page") == b"own"
    await cache.invalidate("shop")
    assert await given(cache, "page") is None

    await proxy.start()
    clock.advance(PAUSE_SECONDS)
    assert await given(cache, "page") == b"shared", "nobody has told the server of a change"
    await cache.invalidate("shop")
    assert await given(cache, "page") is None
    assert await given(other.cache, "page") is None
    assert opened.problem() is None


async def test_a_change_is_heard_of_by_the_server_from_whoever_reaches_it(
    opened: OpenCache, other: OpenCache, proxy: Proxy, clock: ManualClock
) -> None:
    await keep(other.cache, "page", b"old")
    await proxy.stop()
    await opened.cache.invalidate("shop")
    # A fact tells every replica; this one reaches the server.
    await other.cache.invalidate("shop")
    await proxy.start()
    clock.advance(PAUSE_SECONDS)
    assert await given(opened.cache, "page") is None
    assert await given(other.cache, "page") is None


async def test_a_value_from_before_the_outage_is_not_kept_under_a_version_of_ones_own(
    opened: OpenCache, proxy: Proxy
) -> None:
    found = await opened.cache.get("shop", "page")
    await proxy.stop()
    await opened.cache.put("shop", "page", b"old", found.version, 1000.0)
    assert await given(opened.cache, "page") is None


async def test_a_silent_server_costs_one_deadline(opened: OpenCache, proxy: Proxy) -> None:
    await keep(opened.cache, "page", b"shared")
    proxy.hang()
    assert await given(opened.cache, "page") is None
    began = time.monotonic()
    for _ in range(200):
        await opened.cache.get("shop", "page")
        await opened.cache.invalidate("shop")
    assert time.monotonic() - began < PATIENCE


async def test_a_server_that_lost_everything_costs_nothing_but_values(
    opened: OpenCache, server: Redis, owner: str
) -> None:
    before = await opened.cache.get("shop", "page")
    await keep(opened.cache, "page", b"value")
    await forget(server, f"allocator:{owner}")
    await server.script_flush()
    await opened.cache.put("shop", "page", b"old", before.version, 1000.0)
    assert await given(opened.cache, "page") is None
    assert (await opened.cache.get("shop", "page")).version > before.version
    await keep(opened.cache, "page", b"value")
    assert await given(opened.cache, "page") == b"value"
    assert opened.problem() is None


async def test_every_key_on_the_server_ends(opened: OpenCache, server: Redis, owner: str) -> None:
    await keep(opened.cache, "page", b"value")
    await opened.cache.invalidate("street")
    times = [await server.pttl(key) async for key in server.scan_iter(f"allocator:{owner}:*")]
    assert len(times) == 3
    assert all(0 < left <= 86_400_000 for left in times)
