"""What counts as use of an instance, and who follows logs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chassis.clock import ManualClock
from docker_svc.domain import HttpCheck, InstanceSpec, Limits, LogCheck, Probe, TcpCheck
from docker_svc.domain.activity import Counters, computes, has_answered, is_probed, talks
from docker_svc.domain.instance import Liveness
from docker_svc.usecases.followers import Followers

PLAIN = InstanceSpec(Limits(500, 64 << 20, 32))
LIVELY = replace(PLAIN, probe=Probe(HttpCheck(80, "/"), liveness=Liveness(10.0, 3)))


def test_two_percent_of_a_core_are_use() -> None:
    before = Counters(cpu_seconds=10.0)
    assert not computes(before, Counters(cpu_seconds=10.6), 30.0)
    assert computes(before, Counters(cpu_seconds=10.61), 30.0)
    assert not computes(before, Counters(), 30.0)


def test_the_noise_of_a_network_is_no_use() -> None:
    before = Counters(network_bytes=5000)
    assert not talks(before, Counters(network_bytes=6400), 30.0, PLAIN)
    assert talks(before, Counters(network_bytes=6600), 30.0, PLAIN)
    assert not talks(before, Counters(), 30.0, PLAIN)


def test_what_our_own_probes_do_is_no_use() -> None:
    before = Counters(network_bytes=0)
    probes = Counters(network_bytes=3 * 2000)
    assert talks(before, probes, 30.0, PLAIN)
    assert not talks(before, probes, 30.0, LIVELY)
    assert talks(before, Counters(network_bytes=100_000), 30.0, LIVELY)
    assert not has_answered(Counters(ended=7), LIVELY)
    assert has_answered(Counters(ended=9), LIVELY)
    assert has_answered(Counters(ended=1), PLAIN)


@pytest.mark.parametrize(
    ("probe", "connects"),
    [
        (Probe(TcpCheck(80), liveness=Liveness()), True),
        (Probe(TcpCheck(80)), False),
        (Probe(LogCheck("x"), liveness=Liveness()), False),
        (Probe(), False),
    ],
)
def test_who_is_probed(probe: Probe, *, connects: bool) -> None:
    assert is_probed(replace(PLAIN, probe=probe)) is connects


def test_a_follower_counts_while_it_follows_and_is_remembered() -> None:
    clock = ManualClock()
    followers = Followers(clock)
    assert followers.last("allocations/a") is None
    with followers.following("allocations/a"), followers.following("allocations/a"):
        clock.advance(100)
        assert followers.last("allocations/a") == clock.monotonic()
    ended = clock.monotonic()
    clock.advance(50)
    assert followers.last("allocations/a") == ended
