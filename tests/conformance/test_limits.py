"""Buckets of tokens, and delays after failures, as their ports promise them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from servers import own_name, redis_url

from chassis.clock import ManualClock, SystemClock
from chassis.limits import (
    Delays,
    FailureDelays,
    MemoryFailureDelays,
    MemoryRateLimiter,
    RateLimiter,
)
from tests.conformance.shared_time import forget, pass_time

RULE = Delays(free=2, first_seconds=100.0, longest_seconds=1000.0)
ODD_KEYS = ["", "🦊", "a\x00b", "::1", "' OR 1=1 --", "\ud83e", "a:b*c", "x" * 100_000]
DATABASE = 5


def near(seconds: float) -> object:
    """That many seconds, or a few less: the time of a server goes on while a test runs."""
    return pytest.approx(seconds, abs=10)


@dataclass
class Place:
    """Where limits are kept.

    Attributes:
        limiters, delays: what two who share the place have.
        later: makes time pass.
    """

    limiters: tuple[RateLimiter, RateLimiter]
    delays: tuple[FailureDelays, FailureDelays]
    later: Callable[[float], Awaitable[None]]


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.real_redis)])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """An empty place: the memory of a process, or a server that two replicas share."""
    async with AsyncExitStack() as exits:
        yield await (_memory() if request.param == "memory" else _redis(exits))


async def _memory() -> Place:
    clock = ManualClock()
    limiter, delays = MemoryRateLimiter(clock), MemoryFailureDelays(clock)

    async def later(seconds: float) -> None:
        clock.advance(seconds)

    return Place((limiter, limiter), (delays, delays), later)


async def _redis(exits: AsyncExitStack) -> Place:
    from redis.asyncio import Redis

    from chassis.keyvalue.server import KeyValueServer
    from chassis.limits.redis import RedisFailureDelays, RedisRateLimiter

    prefix, url = own_name("limits"), redis_url(DATABASE)
    client = Redis.from_url(url)
    exits.push_async_callback(client.aclose)
    exits.push_async_callback(forget, client, prefix)
    servers = [KeyValueServer(url, SystemClock(), deadline_seconds=20.0) for _ in range(2)]
    for server in servers:
        exits.push_async_callback(server.close)
    one, other = (RedisRateLimiter(server, f"{prefix}:rate") for server in servers)
    first, second = (RedisFailureDelays(server, f"{prefix}:failures") for server in servers)
    return Place((one, other), (first, second), lambda s: pass_time(client, prefix, s))


@pytest.fixture
def limiter(place: Place) -> RateLimiter:
    """A limiter that nobody has asked yet."""
    return place.limiters[0]


@pytest.fixture
def failures(place: Place) -> FailureDelays:
    """Delays of which nobody has failed yet."""
    return place.delays[0]


async def test_a_bucket_is_full_at_first_and_refills_one_by_one(
    limiter: RateLimiter, place: Place
) -> None:
    assert [await limiter.take("key", 3, 1000.0) for _ in range(4)] == [0, 0, 0, near(1000)]
    await place.later(400)
    assert await limiter.take("key", 3, 1000.0) == near(600)
    await place.later(600)
    assert await limiter.take("key", 3, 1000.0) == 0
    assert await limiter.take("key", 3, 1000.0) == near(1000)


async def test_the_wait_that_a_bucket_names_is_enough(limiter: RateLimiter, place: Place) -> None:
    assert await limiter.take("key", 1, 700.0) == 0
    wait = await limiter.take("key", 1, 700.0)
    assert wait == near(700)
    await place.later(wait)
    assert await limiter.take("key", 1, 700.0) == 0


async def test_who_is_refused_loses_nothing_by_asking(limiter: RateLimiter, place: Place) -> None:
    await limiter.take("key", 1, 1000.0)
    for _ in range(100):
        assert await limiter.take("key", 1, 1000.0) == near(1000)
    await place.later(1000)
    assert await limiter.take("key", 1, 1000.0) == 0


async def test_a_bucket_never_holds_more_than_its_burst(limiter: RateLimiter, place: Place) -> None:
    await limiter.take("key", 2, 100.0)
    await place.later(150)
    assert [await limiter.take("key", 2, 100.0) == 0 for _ in range(3)] == [True, True, False]
    await place.later(1e9)
    assert [await limiter.take("key", 2, 100.0) == 0 for _ in range(3)] == [True, True, False]


async def test_a_token_may_come_back_in_less_than_a_millisecond(
    limiter: RateLimiter, place: Place
) -> None:
    for _ in range(3):
        assert await limiter.take("key", 1, 0.0001) == 0
        await place.later(0.001)


async def test_of_many_who_take_at_once_as_many_get_one_as_there_are(place: Place) -> None:
    takes = [limiter.take("key", 5, 600.0) for limiter in place.limiters for _ in range(25)]
    waits = await asyncio.gather(*takes)
    assert waits.count(0) == 5
    assert max(waits) == near(600)


async def test_all_who_share_a_place_share_a_limit(place: Place) -> None:
    one, other = place.limiters
    assert await one.take("key", 1, 600.0) == 0
    assert await other.take("key", 1, 600.0) == near(600)
    first, second = place.delays
    assert await first.attempt("key", RULE) == 0
    assert await second.attempt("key", RULE) == 0
    assert await first.attempt("key", RULE) == near(100)
    await second.forget("key")
    assert await first.attempt("key", RULE) == 0


@pytest.mark.parametrize("key", ODD_KEYS, ids=range(len(ODD_KEYS)))
async def test_each_key_has_a_bucket_of_its_own(limiter: RateLimiter, key: str) -> None:
    assert await limiter.take(key, 1, 600.0) == 0
    assert await limiter.take(key, 1, 600.0) > 0
    assert await limiter.take(key + "?", 1, 600.0) == 0


async def test_the_wait_doubles_up_to_the_longest(failures: FailureDelays, place: Place) -> None:
    waits = []
    for _ in range(9):
        waits.append(wait := await failures.attempt("key", RULE))
        if wait:
            await place.later(wait)
            assert await failures.attempt("key", RULE) == 0
    expected = (0, 0, 100, 200, 400, 800, 1000, 1000, 1000)
    assert waits == [near(wait) if wait else 0 for wait in expected]


async def test_who_has_to_wait_does_not_wait_longer_by_asking(
    failures: FailureDelays, place: Place
) -> None:
    for _ in range(2):
        await failures.attempt("key", RULE)
    for _ in range(100):
        assert await failures.attempt("key", RULE) == near(100)
    await place.later(75)
    assert await failures.attempt("key", RULE) == near(25)
    await place.later(25)
    assert await failures.attempt("key", RULE) == 0


async def test_attempts_at_once_do_not_slip_through_together(place: Place) -> None:
    attempts = [delays.attempt("key", RULE) for delays in place.delays for _ in range(25)]
    waits = await asyncio.gather(*attempts)
    assert waits.count(0) == RULE.free


async def test_an_attempt_that_did_not_fail_costs_nothing(failures: FailureDelays) -> None:
    for _ in range(20):
        assert await failures.attempt("key", RULE) == 0
        await failures.forgive("key")
    assert [await failures.attempt("key", RULE) for _ in range(3)] == [0, 0, near(100)]


async def test_forgiving_more_than_there_was_earns_nothing(failures: FailureDelays) -> None:
    await failures.attempt("key", RULE)
    for _ in range(5):
        await failures.forgive("key")
    assert [await failures.attempt("key", RULE) for _ in range(3)] == [0, 0, near(100)]


@pytest.mark.parametrize("key", ODD_KEYS, ids=range(len(ODD_KEYS)))
async def test_each_key_fails_for_itself_until_it_is_forgotten(
    failures: FailureDelays, key: str
) -> None:
    await failures.forgive(key)
    await failures.forget(key)
    for one in (key, key + "?"):
        assert [await failures.attempt(one, RULE) > 0 for _ in range(3)] == [False, False, True]
    await failures.forget(key)
    assert await failures.attempt(key, RULE) == 0
    assert await failures.attempt(key + "?", RULE) > 0


async def test_failures_are_forgotten_after_ten_times_the_longest_wait(
    failures: FailureDelays, place: Place
) -> None:
    for _ in range(2):
        await failures.attempt("key", RULE)
    await place.later(9900)
    assert await failures.attempt("key", RULE) == 0
    assert await failures.attempt("key", RULE) == near(200)
    await place.later(10100)
    assert [await failures.attempt("key", RULE) for _ in range(3)] == [0, 0, near(100)]


async def test_ever_so_many_failures_wait_no_longer_than_the_longest(
    failures: FailureDelays, place: Place
) -> None:
    for _ in range(1500):
        wait = await failures.attempt("key", RULE)
        assert 0 <= wait <= RULE.longest_seconds
        await place.later(wait)
