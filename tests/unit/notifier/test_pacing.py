"""Places: nobody's slowness is others' delay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.domain.delivery import Persistence
from notifier.domain.pacing import Bounds, Pacing

NOW = datetime(2026, 3, 1, tzinfo=UTC)
RESTS = Persistence(9, timedelta(seconds=4), timedelta(seconds=60), 0.0)


@pytest.fixture
def pacing() -> Pacing:
    """Eight places, two for each destination."""
    return Pacing(Bounds(8, 2), RESTS)


def test_a_destination_has_no_more_places_than_its_own(pacing: Pacing) -> None:
    pacing.began("slow")
    assert pacing.places("slow") == 1
    pacing.began("slow")
    assert pacing.places("slow") == 0
    assert pacing.left_out(NOW) == {"slow"}
    assert pacing.places("other") == 2
    pacing.ended("slow")
    assert not pacing.left_out(NOW)


def test_one_that_failed_rests_ever_longer_and_then_has_one_place(pacing: Pacing) -> None:
    for seconds in (4, 8, 16):
        pacing.failed("broken", NOW)
        before = NOW + timedelta(seconds=seconds - 1)
        assert pacing.left_out(before) == {"broken"}
        assert pacing.next_rested(before) == NOW + timedelta(seconds=seconds)
        assert not pacing.left_out(NOW + timedelta(seconds=seconds))
    assert pacing.places("broken") == 1
    pacing.well("broken")
    assert pacing.places("broken") == 2
    assert pacing.next_rested(NOW) is None


def test_it_rests_as_long_as_it_wishes(pacing: Pacing) -> None:
    pacing.failed("busy", NOW, timedelta(hours=1))
    assert pacing.next_rested(NOW) == NOW + timedelta(hours=1)


def test_all_that_fail_have_half_of_the_places(pacing: Pacing) -> None:
    broken = [f"broken{n}" for n in range(20)]
    for one in broken:
        pacing.failed(one, NOW)
    later = NOW + timedelta(hours=1)
    assert not pacing.left_out(later)
    for one in broken[:4]:
        pacing.began(one)
    assert set(broken) <= set(pacing.left_out(later))
    assert pacing.free == 4
    pacing.ended(broken[0])
    assert set(pacing.left_out(later)) == set(broken[1:4])


def test_where_destinations_are_not_told_apart_only_the_sum_counts() -> None:
    pacing = Pacing(Bounds(3), RESTS)
    for _ in range(3):
        pacing.began("ada@example.org")
    pacing.failed("ada@example.org", NOW)
    assert pacing.places("bob@example.org") == 0
    pacing.ended("ada@example.org")
    assert pacing.places("ada@example.org") == 1
    assert not pacing.left_out(NOW)


def test_what_was_not_heard_of_for_long_is_forgotten(pacing: Pacing) -> None:
    pacing.failed("gone", NOW)
    pacing.rested(NOW + timedelta(days=2))
    assert pacing.places("gone") == 2


@given(
    st.lists(
        st.tuples(st.sampled_from(["began", "ended", "failed", "well"]), st.sampled_from("abcde")),
        max_size=60,
    )
)
def test_no_bound_is_ever_exceeded(steps: list[tuple[str, str]]) -> None:
    pacing = Pacing(Bounds(4, 2), RESTS)
    busy: dict[str, int] = {}
    now = NOW
    for step, one in steps:
        now += timedelta(seconds=1)
        if step == "began":
            if one not in pacing.left_out(now) and pacing.places(one) > 0:
                pacing.began(one)
                busy[one] = busy.get(one, 0) + 1
        elif step == "ended":
            if busy.get(one):
                pacing.ended(one)
                busy[one] -= 1
        elif step == "failed":
            pacing.failed(one, now)
        else:
            pacing.well(one)
        assert pacing.free == 4 - sum(busy.values()) >= 0
        assert all(count <= 2 for count in busy.values())
