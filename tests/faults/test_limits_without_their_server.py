"""Limits while the server that replicas share is away, slow, silent, or has lost everything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from proxy import Proxy
from redis.asyncio import Redis
from servers import own_name, redis_url

from chassis.clock import ManualClock
from chassis.keyvalue.breaker import PAUSE_SECONDS
from chassis.limits import Delays, Limits, open_limits
from tests.conformance.shared_time import forget

pytestmark = pytest.mark.real_redis

DATABASE = 5
RULE = Delays(free=2, first_seconds=100.0, longest_seconds=1000.0)
PATIENCE = 2.0
"""Seconds: more than a call may take, with some for a busy machine; far less than many calls would."""
AN_HOUR = 3600.0


@pytest.fixture
async def server() -> AsyncIterator[Redis]:
    """The server itself, past every proxy."""
    client = Redis.from_url(redis_url(DATABASE))
    yield client
    await client.aclose()


@pytest.fixture
async def proxy(server: Redis) -> AsyncIterator[Proxy]:
    """What stands between the server and the replicas."""
    where = server.connection_pool.connection_kwargs
    async with Proxy(where["host"], where["port"]) as proxy:
        yield proxy


@pytest.fixture
def clock() -> ManualClock:
    """The time of the first replica."""
    return ManualClock()


@pytest.fixture
async def owner(server: Redis) -> AsyncIterator[str]:
    """A service that nobody else has limits of."""
    name = own_name("shop")
    yield name
    await forget(server, f"allocator:{name}")


@pytest.fixture
async def limits(proxy: Proxy, clock: ManualClock, owner: str) -> AsyncIterator[Limits]:
    """The limits of a replica that reaches the server through the proxy."""
    opened = open_limits(f"redis://{proxy.address}/{DATABASE}", clock, owner)
    yield opened
    await opened.close()


@pytest.fixture
async def other(owner: str) -> AsyncIterator[Limits]:
    """The limits of another replica, which reaches the server always."""
    opened = open_limits(redis_url(DATABASE), ManualClock(), owner)
    yield opened
    await opened.close()


async def refused_after(limits: Limits, key: str, burst: int) -> int:
    """How many tokens there are before one is refused."""
    for taken in range(burst + 2):
        began = time.monotonic()
        wait = await limits.limiter.take(key, burst, AN_HOUR)
        assert time.monotonic() - began < PATIENCE
        if wait:
            return taken
    raise AssertionError("nothing is limited")


async def test_a_replica_that_starts_without_the_server_limits_by_itself(
    limits: Limits, proxy: Proxy, clock: ManualClock, other: Limits
) -> None:
    await proxy.stop()
    assert await refused_after(limits, "key", 3) == 3
    assert limits.problem() is not None
    assert [await limits.failures.attempt("who", RULE) for _ in range(3)] == [0, 0, 100]
    await limits.failures.forget("who")
    assert await limits.failures.attempt("who", RULE) == 0

    await proxy.start()
    clock.advance(PAUSE_SECONDS)
    assert await limits.limiter.take("new", 1, AN_HOUR) == 0
    assert limits.problem() is None
    assert await other.limiter.take("new", 1, AN_HOUR) > 0, "they share again"


async def test_connections_that_were_cut_are_made_anew_and_counts_are_kept(
    limits: Limits, proxy: Proxy
) -> None:
    assert await limits.limiter.take("key", 1, AN_HOUR) == 0
    proxy.cut()
    assert await limits.limiter.take("key", 1, AN_HOUR) > 0
    assert limits.problem() is None


@pytest.mark.parametrize("silent", [True, False], ids=["silent", "slow"])
async def test_a_server_that_does_not_answer_in_time_is_left_alone(
    limits: Limits, proxy: Proxy, clock: ManualClock, silent: bool
) -> None:
    assert await limits.limiter.take("before", 1, AN_HOUR) == 0
    if silent:
        proxy.hang()
    else:
        proxy.flow(delay=2.0)
    began = time.monotonic()
    waits = await asyncio.gather(
        *(limits.limiter.take("key", 10, AN_HOUR) for _ in range(200)),
        *(limits.failures.attempt("key", RULE) for _ in range(100)),
    )
    assert time.monotonic() - began < PATIENCE
    assert waits[:200].count(0) == 10
    assert waits[200:].count(0) == RULE.free
    began = time.monotonic()
    for _ in range(500):
        assert await limits.limiter.take("key", 10, AN_HOUR) > 0
    assert time.monotonic() - began < PATIENCE, "the breaker spares them the wait"

    proxy.flow()
    clock.advance(PAUSE_SECONDS)
    assert await limits.limiter.take("before", 1, AN_HOUR) > 0, "it is the shared bucket again"
    assert limits.problem() is None


async def test_a_call_that_was_given_up_leaves_no_answer_to_the_next_one(
    limits: Limits, proxy: Proxy, clock: ManualClock
) -> None:
    assert await limits.limiter.take("spent", 1, AN_HOUR) == 0
    proxy.flow(delay=0.02)
    asking = [asyncio.create_task(limits.limiter.take(f"{n}", 1, AN_HOUR)) for n in range(40)]
    for task in asking[::2]:
        # Each is a few steps further on its way.
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    proxy.flow()
    # A machine that is busy may have let one of them run out of time: then the server was left alone.
    clock.advance(PAUSE_SECONDS)
    for n in range(40, 60):
        assert await limits.limiter.take(f"{n}", 1, AN_HOUR) == 0
        assert await limits.limiter.take("spent", 1, AN_HOUR) > 0


async def test_a_server_that_lost_everything_costs_nothing_but_counts(
    limits: Limits, server: Redis, owner: str
) -> None:
    assert await limits.limiter.take("key", 1, AN_HOUR) == 0
    await forget(server, f"allocator:{owner}")
    await server.script_flush()
    assert await limits.limiter.take("key", 1, AN_HOUR) == 0
    assert await limits.limiter.take("key", 1, AN_HOUR) > 0
    assert limits.problem() is None


async def test_a_key_that_is_something_else_does_not_let_everything_through(
    limits: Limits, server: Redis, owner: str, clock: ManualClock
) -> None:
    assert await limits.limiter.take("key", 1, AN_HOUR) == 0
    async for key in server.scan_iter(match=f"allocator:{owner}:*"):
        await server.set(key, "a stranger's")
    for _ in range(3):
        clock.advance(PAUSE_SECONDS)
        await limits.limiter.take("key", 1, AN_HOUR)
    assert await limits.limiter.take("key", 1, AN_HOUR) > 0


async def test_what_is_full_or_forgotten_takes_no_room(
    limits: Limits, server: Redis, owner: str
) -> None:
    await limits.limiter.take("full again at once", 5, 0.0001)
    await limits.limiter.take("full again in an hour", 1, AN_HOUR)
    await limits.failures.attempt("who", RULE)
    times = sorted(
        [await server.pttl(key) async for key in server.scan_iter(f"allocator:{owner}:*")]
    )
    kept = [left for left in times if left > 1000]
    assert kept == [pytest.approx(3_600_000, abs=60_000), pytest.approx(10_000_000, abs=60_000)]
    keys = [key.decode() async for key in server.scan_iter(f"allocator:{owner}:*")]
    assert not [key for key in keys if "hour" in key or "who" in key]


async def test_the_watch_learns_without_calls_that_the_server_is_gone_and_back(
    limits: Limits, proxy: Proxy, clock: ManualClock
) -> None:
    watching = asyncio.create_task(limits.watches[0]())
    try:
        await clock.until_sleepers()
        assert limits.problem() is None
        await proxy.stop()
        clock.advance(PAUSE_SECONDS)
        await clock.until_sleepers()
        assert limits.problem() is not None
        await proxy.start()
        clock.advance(PAUSE_SECONDS)
        await clock.until_sleepers()
        assert limits.problem() is None
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
