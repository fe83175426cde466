"""A cache, as its port promises it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from servers import own_name, redis_url

from chassis.cache import LARGEST_BYTES, Cache, MemoryCache
from chassis.clock import ManualClock, SystemClock
from tests.conformance.shared_time import forget, pass_time

ODD_TEXTS = ["", "🦊", "a\x00b", "{a}:{b}*", "' OR 1=1 --", "\ud83e", "x" * 100_000]
DATABASE = 6


@dataclass
class Place:
    """Where values are kept.

    Attributes:
        caches: what two who share the place have.
        later: makes time pass.
    """

    caches: tuple[Cache, Cache]
    later: Callable[[float], Awaitable[None]]


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.real_redis)])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """An empty place: the memory of a process, or a server that two replicas share."""
    async with AsyncExitStack() as exits:
        yield await (_memory() if request.param == "memory" else _redis(exits))


async def _memory() -> Place:
    clock = ManualClock()
    cache = MemoryCache(clock)

    async def later(seconds: float) -> None:
        clock.advance(seconds)

    return Place((cache, cache), later)


async def _redis(exits: AsyncExitStack) -> Place:
    from redis.asyncio import Redis

    from chassis.cache.redis import RedisCache
    from chassis.keyvalue.server import KeyValueServer

    prefix, url = own_name("cache"), redis_url(DATABASE)
    client = Redis.from_url(url)
    exits.push_async_callback(client.aclose)
    exits.push_async_callback(forget, client, prefix)
    servers = [KeyValueServer(url, SystemClock(), deadline_seconds=20.0) for _ in range(2)]
    for server in servers:
        exits.push_async_callback(server.close)
    one, other = (RedisCache(server, f"{prefix}:cache") for server in servers)
    return Place((one, other), lambda s: pass_time(client, prefix, s))


@pytest.fixture
def cache(place: Place) -> Cache:
    """A cache in which nothing is."""
    return place.caches[0]


async def keep(
    cache: Cache, about: str, key: str, value: bytes = b"value", seconds: float = 1000.0
) -> None:
    """Keeps a value that was made now."""
    found = await cache.get(about, key)
    await cache.put(about, key, value, found.version, seconds)


async def test_a_value_is_given_with_its_age_until_its_time_is_over(place: Place) -> None:
    one, other = place.caches
    found = await one.get("shop", "page 1")
    assert found.value is None
    assert found.age_seconds == 0
    await one.put("shop", "page 1", b"\x00\xff", found.version, 1000.0)
    found = await other.get("shop", "page 1")
    assert found.value == b"\x00\xff"
    assert found.age_seconds == pytest.approx(0, abs=10)
    await place.later(900)
    assert (await other.get("shop", "page 1")).age_seconds == pytest.approx(900, abs=10)
    await place.later(101)
    assert (await one.get("shop", "page 1")).value is None


async def test_an_empty_value_is_a_value(cache: Cache) -> None:
    await keep(cache, "shop", "nothing", b"")
    assert (await cache.get("shop", "nothing")).value == b""


async def test_after_a_change_nothing_from_before_is_given(place: Place) -> None:
    one, other = place.caches
    for key in ("a", "b"):
        await keep(one, "shop", key)
    await keep(one, "street", "a")
    before = await one.get("shop", "a")
    await other.invalidate("shop")
    for cache in place.caches:
        assert (await cache.get("shop", "a")).value is None
        assert (await cache.get("shop", "b")).value is None
        assert (await cache.get("street", "a")).value == b"value", "that has not changed"
    assert (await one.get("shop", "a")).version > before.version


async def test_what_was_read_before_a_change_is_not_kept_after_it(place: Place) -> None:
    reader, writer = place.caches
    found = await reader.get("shop", "page")
    await writer.invalidate("shop")
    await reader.put("shop", "page", b"old", found.version, 1000.0)
    assert (await reader.get("shop", "page")).value is None


async def test_an_older_value_never_takes_the_place_of_a_newer_one(place: Place) -> None:
    slow, fast = place.caches
    old = await slow.get("shop", "page")
    await fast.invalidate("shop")
    await keep(fast, "shop", "page", b"new")
    await slow.put("shop", "page", b"old", old.version, 1000.0)
    assert (await slow.get("shop", "page")).value == b"new"


async def test_a_value_can_be_replaced_and_begins_anew(cache: Cache, place: Place) -> None:
    await keep(cache, "shop", "page", b"one", 100.0)
    await place.later(90)
    await keep(cache, "shop", "page", b"two", 1000.0)
    await place.later(90)
    found = await cache.get("shop", "page")
    assert (found.value, found.age_seconds) == (b"two", pytest.approx(90, abs=10))


async def test_changes_without_values_are_fine(cache: Cache) -> None:
    await cache.invalidate("never heard of")
    await cache.invalidate("never heard of")
    await keep(cache, "never heard of", "a")
    assert (await cache.get("never heard of", "a")).value == b"value"


async def test_a_version_is_never_used_again(cache: Cache, place: Place) -> None:
    seen = set()
    for n in range(20):
        seen.add((await cache.get("shop", "page")).version)
        await cache.invalidate("shop")
        if n % 5 == 4:
            # Longer than anything is remembered.
            await place.later(1_000_000)
    assert len(seen) == 20


@pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
async def test_any_text_names_a_value_of_its_own(cache: Cache, text: str) -> None:
    pairs = [(text, "key"), (text + "?", "key"), ("about", text), ("about", text + "?")]
    for n, (about, key) in enumerate(pairs):
        await keep(cache, about, key, str(n).encode())
    for n, (about, key) in enumerate(pairs):
        assert (await cache.get(about, key)).value == str(n).encode()


async def test_a_value_that_is_too_large_is_not_kept(cache: Cache) -> None:
    await keep(cache, "shop", "page", bytes(LARGEST_BYTES))
    assert (await cache.get("shop", "page")).value == bytes(LARGEST_BYTES)
    await keep(cache, "shop", "larger", bytes(LARGEST_BYTES + 1))
    assert (await cache.get("shop", "larger")).value is None


async def test_whoever_reads_after_a_change_reads_what_it_made(place: Place) -> None:
    """Readers and writers at once: no reader is given what was gone before they asked."""
    store = {"price": 0}
    told = 0

    async def write(cache: Cache) -> None:
        nonlocal told
        for _ in range(30):
            store["price"] += 1
            mine = store["price"]
            await asyncio.sleep(0)
            await cache.invalidate("shop")
            told = max(told, mine)

    async def read(cache: Cache, seed: int) -> None:
        turns = random.Random(seed)
        for _ in range(60):
            least = told
            found = await cache.get("shop", "price")
            if found.value is None:
                price = store["price"]
                for _ in range(turns.randrange(4)):
                    await asyncio.sleep(0)
                await cache.put("shop", "price", str(price).encode(), found.version, 1000.0)
            else:
                price = int(found.value)
            assert price >= least

    await asyncio.gather(
        *(write(cache) for cache in place.caches),
        *(read(cache, seed) for seed, cache in enumerate(place.caches * 4)),
    )
    price = (await place.caches[0].get("shop", "price")).value
    assert price is None or int(price) == store["price"]
