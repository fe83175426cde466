"""Limits in memory: what is theirs alone, beside what every adapter promises."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.clock import ManualClock
from chassis.limits import Delays, MemoryFailureDelays, MemoryRateLimiter, open_limits

ONE = Delays(1, 1.0, 10.0)


@given(st.lists(st.floats(0, 100), max_size=60), st.integers(1, 5), st.floats(0.5, 20))
def test_a_bucket_never_gives_more_than_its_burst_and_what_came_back(
    pauses: list[float], burst: int, refill: float
) -> None:
    async def take() -> None:
        clock = ManualClock()
        limiter = MemoryRateLimiter(clock)
        given_out = 0
        for pause in pauses:
            clock.advance(pause)
            wait = await limiter.take("key", burst, refill)
            given_out += wait == 0
            # Within what floating point rounds away.
            assert 0 <= wait <= refill * (1 + 1e-9)
            assert given_out <= burst + clock.monotonic() / refill + 1e-6

    asyncio.run(take())


async def test_the_bucket_that_was_asked_for_longest_ago_is_forgotten() -> None:
    limiter = MemoryRateLimiter(ManualClock(), most=3)
    for key in ("a", "b", "c"):
        await limiter.take(key, 1, 60.0)
    assert await limiter.take("a", 1, 60.0) > 0
    assert await limiter.take("d", 1, 60.0) == 0
    for key in ("a", "c", "d"):
        assert await limiter.take(key, 1, 60.0) > 0
    assert await limiter.take("b", 1, 60.0) == 0


async def test_whoever_failed_longest_ago_is_forgotten() -> None:
    failures = MemoryFailureDelays(ManualClock(), most=3)
    for key in ("a", "b", "c", "d"):
        assert await failures.attempt(key, ONE) == 0
    for key in ("b", "c", "d"):
        assert await failures.attempt(key, ONE) > 0
    assert await failures.attempt("a", ONE) == 0


async def test_without_a_server_nothing_is_watched_and_nothing_is_wrong() -> None:
    limits = open_limits("", ManualClock(), "shop")
    assert await limits.limiter.take("key", 1, 60.0) == 0
    assert not limits.watches
    assert limits.problem() is None
    await limits.close()


@pytest.mark.parametrize("url", ["memcached://here", "here", "redis://h:nonsense/0"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"redis://|[Pp]ort"):
        open_limits(url, ManualClock(), "shop")
