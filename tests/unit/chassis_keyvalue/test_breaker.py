"""Leaving a server alone that has failed."""

from __future__ import annotations

from chassis.clock import ManualClock
from chassis.keyvalue.breaker import PAUSE_SECONDS, Breaker


def test_after_a_failure_one_call_for_each_pause_tries() -> None:
    clock = ManualClock()
    breaker = Breaker(clock)
    assert breaker.admits()
    assert breaker.failed()
    assert not breaker.failed(), "calls that were on their way fail too; that is no news"
    assert breaker.is_open
    assert not breaker.admits()
    clock.advance(PAUSE_SECONDS)
    assert [breaker.admits() for _ in range(5)] == [True, False, False, False, False]
    clock.advance(PAUSE_SECONDS)
    assert breaker.admits(), "whoever tried before may never have come back"
    assert breaker.succeeded()
    assert not breaker.is_open
    assert [breaker.admits() for _ in range(3)] == [True, True, True]
    assert not breaker.succeeded()
