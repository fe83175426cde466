"""Buckets of tokens, and delays after failures, as their ports promise them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from chassis.clock import ManualClock
from user_svc.adapters.failure_delays.memory import MemoryFailureDelays
from user_svc.adapters.rate_limiter.memory import MemoryRateLimiter
from user_svc.ports import Delays, FailureDelays, RateLimiter

RULE = Delays(free=2, first_seconds=1.0, longest_seconds=10.0)
ODD_KEYS = ["", "🦊", "a\x00b", "::1", "' OR 1=1 --", "x" * 100_000]

Limiting = Callable[[int], RateLimiter]
Delaying = Callable[[int], FailureDelays]


@pytest.fixture
def clock() -> ManualClock:
    """The time, which stands still."""
    return ManualClock()


@pytest.fixture(params=["memory"])
def limiting(request: pytest.FixtureRequest, clock: ManualClock) -> Limiting:
    """Makes a limiter that remembers so many keys."""
    assert request.param == "memory"
    return lambda most: MemoryRateLimiter(clock, most=most)


@pytest.fixture
def limiter(limiting: Limiting) -> RateLimiter:
    """A limiter that nobody has asked yet."""
    return limiting(1000)


@pytest.fixture(params=["memory"])
def delaying(request: pytest.FixtureRequest, clock: ManualClock) -> Delaying:
    """Makes delays that remember so many keys."""
    assert request.param == "memory"
    return lambda most: MemoryFailureDelays(clock, most=most)


@pytest.fixture
def failures(delaying: Delaying) -> FailureDelays:
    """Delays of which nobody has failed yet."""
    return delaying(1000)


def test_a_bucket_is_full_at_first_and_refills_one_by_one(
    limiter: RateLimiter, clock: ManualClock
) -> None:
    assert [limiter.take("key", 3, 10.0) for _ in range(4)] == [0, 0, 0, pytest.approx(10)]
    clock.advance(4)
    assert limiter.take("key", 3, 10.0) == pytest.approx(6)
    clock.advance(6)
    assert limiter.take("key", 3, 10.0) == 0
    assert limiter.take("key", 3, 10.0) == pytest.approx(10)


def test_who_is_refused_loses_nothing_by_asking(limiter: RateLimiter, clock: ManualClock) -> None:
    limiter.take("key", 1, 10.0)
    for _ in range(100):
        assert limiter.take("key", 1, 10.0) == pytest.approx(10)
    clock.advance(10)
    assert limiter.take("key", 1, 10.0) == 0


def test_a_bucket_never_holds_more_than_its_burst(limiter: RateLimiter, clock: ManualClock) -> None:
    limiter.take("key", 2, 1.0)
    clock.advance(1e9)
    assert [limiter.take("key", 2, 1.0) == 0 for _ in range(3)] == [True, True, False]


async def test_of_many_who_take_at_once_as_many_get_one_as_there_are(
    limiter: RateLimiter,
) -> None:
    async def take() -> float:
        await asyncio.sleep(0)
        return limiter.take("key", 5, 60.0)

    waits = await asyncio.gather(*(take() for _ in range(50)))
    assert waits.count(0) == 5


@pytest.mark.parametrize("key", ODD_KEYS, ids=range(len(ODD_KEYS)))
def test_each_key_has_a_bucket_of_its_own(limiter: RateLimiter, key: str) -> None:
    assert limiter.take(key, 1, 60.0) == 0
    assert limiter.take(key, 1, 60.0) > 0
    assert limiter.take(key + "?", 1, 60.0) == 0


def test_the_bucket_that_was_asked_for_longest_ago_is_forgotten(limiting: Limiting) -> None:
    limiter = limiting(3)
    for key in ("a", "b", "c"):
        limiter.take(key, 1, 60.0)
    assert limiter.take("a", 1, 60.0) > 0
    assert limiter.take("d", 1, 60.0) == 0
    for key in ("a", "c", "d"):
        assert limiter.take(key, 1, 60.0) > 0
    assert limiter.take("b", 1, 60.0) == 0


def test_a_limiter_of_a_new_process_begins_with_full_buckets(limiting: Limiting) -> None:
    assert limiting(10).take("key", 1, 60.0) == 0
    assert limiting(10).take("key", 1, 60.0) == 0


def test_the_wait_doubles_up_to_the_longest(failures: FailureDelays, clock: ManualClock) -> None:
    waits = []
    for _ in range(9):
        waits.append(wait := failures.attempt("key", RULE))
        if wait:
            clock.advance(wait)
            assert failures.attempt("key", RULE) == 0
    assert waits == [0, 0, 1, 2, 4, 8, 10, 10, 10]


def test_who_has_to_wait_does_not_wait_longer_by_asking(
    failures: FailureDelays, clock: ManualClock
) -> None:
    for _ in range(2):
        failures.attempt("key", RULE)
    for _ in range(100):
        assert failures.attempt("key", RULE) == pytest.approx(1)
    clock.advance(0.75)
    assert failures.attempt("key", RULE) == pytest.approx(0.25)
    clock.advance(0.25)
    assert failures.attempt("key", RULE) == 0


async def test_attempts_at_once_do_not_slip_through_together(failures: FailureDelays) -> None:
    async def attempt() -> float:
        await asyncio.sleep(0)
        return failures.attempt("key", RULE)

    waits = await asyncio.gather(*(attempt() for _ in range(50)))
    assert waits.count(0) == RULE.free


def test_an_attempt_that_did_not_fail_costs_nothing(failures: FailureDelays) -> None:
    for _ in range(20):
        assert failures.attempt("key", RULE) == 0
        failures.forgive("key")
    assert [failures.attempt("key", RULE) for _ in range(3)] == [0, 0, pytest.approx(1)]


def test_forgiving_more_than_there_was_earns_nothing(failures: FailureDelays) -> None:
    failures.attempt("key", RULE)
    for _ in range(5):
        failures.forgive("key")
    assert [failures.attempt("key", RULE) for _ in range(3)] == [0, 0, pytest.approx(1)]


@pytest.mark.parametrize("key", ODD_KEYS, ids=range(len(ODD_KEYS)))
def test_each_key_fails_for_itself_until_it_is_forgotten(failures: FailureDelays, key: str) -> None:
    failures.forgive(key)
    failures.forget(key)
    for one in (key, key + "?"):
        assert [failures.attempt(one, RULE) > 0 for _ in range(3)] == [False, False, True]
    failures.forget(key)
    assert failures.attempt(key, RULE) == 0
    assert failures.attempt(key + "?", RULE) > 0


def test_failures_are_forgotten_after_ten_times_the_longest_wait(
    failures: FailureDelays, clock: ManualClock
) -> None:
    for _ in range(2):
        failures.attempt("key", RULE)
    clock.advance(99)
    assert failures.attempt("key", RULE) == 0
    assert failures.attempt("key", RULE) == pytest.approx(2)
    clock.advance(101)
    assert [failures.attempt("key", RULE) for _ in range(3)] == [0, 0, pytest.approx(1)]


def test_ever_so_many_failures_wait_no_longer_than_the_longest(
    failures: FailureDelays, clock: ManualClock
) -> None:
    for _ in range(1500):
        wait = failures.attempt("key", RULE)
        assert 0 <= wait <= RULE.longest_seconds
        clock.advance(wait)


def test_whoever_failed_longest_ago_is_forgotten(delaying: Delaying) -> None:
    failures = delaying(3)
    strict = Delays(1, 1.0, 10.0)
    for key in ("a", "b", "c", "d"):
        assert failures.attempt(key, strict) == 0
    for key in ("b", "c", "d"):
        assert failures.attempt(key, strict) > 0
    assert failures.attempt("a", strict) == 0
