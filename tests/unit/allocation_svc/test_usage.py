"""Intervals add up to the life of an allocation, whatever it does and however the clock is set."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation_svc.domain.allocation import Allocation, Desired, LastKnown, State
from allocation_svc.domain.instance import Instance, InstanceState
from allocation_svc.domain.usage import (
    Interval,
    Kind,
    Truth,
    Usage,
    Window,
    first_of,
    followed,
    kind_of,
    truth_about,
    usage_of,
)
from tests.unit.allocation_svc.examples import NOW, an_allocation

TAIL = 2


@dataclass
class Life:
    """An allocation and its intervals, kept as a store keeps them: only the last ones are looked at."""

    allocation: Allocation = field(
        default_factory=lambda: an_allocation(create_time=NOW, state_time=NOW, update_time=NOW)
    )
    intervals: list[Interval] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.intervals = [first_of(self.allocation)]

    def change(self, after: Allocation, truth: Truth | None = None) -> None:
        tail = len(self.intervals) if truth else TAIL
        kept, last = self.intervals[:-tail], self.intervals[-tail:]
        self.intervals = [*kept, *followed(last, after, truth)]
        self.allocation = after

    def moves(self, state: State, at: datetime, truth: Truth | None = None) -> None:
        self.change(replace(self.allocation.moved(state, at), update_time=at), truth)

    def asks(self, desired: Desired, at: datetime) -> None:
        self.change(replace(self.allocation, desired=desired, update_time=at))

    @property
    def kinds(self) -> list[tuple[Kind, bool]]:
        return [(one.kind, one.asked_to_run) for one in self.intervals]


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


LIVING = [state for state in State if state is not State.DELETED]
# Milliseconds that pass before a change; the clock may be set back by hours, and forward again.
PASSING = st.integers(-7_200_000, 7_200_000)
CHANGES = st.lists(
    st.tuples(st.one_of(st.sampled_from(LIVING), st.sampled_from(Desired)), PASSING), max_size=25
)


@settings(max_examples=300, deadline=None)
@given(changes=CHANGES, ends=st.booleans(), bounds=st.tuples(PASSING, PASSING, PASSING))
def test_intervals_follow_each_other_and_add_up_to_the_life(
    changes: list[tuple[State | Desired, int]], ends: bool, bounds: tuple[int, int, int]
) -> None:
    life, now = Life(), NOW
    for change, millis in changes:
        now += timedelta(milliseconds=millis)
        if isinstance(change, State):
            life.moves(change, now)
        else:
            life.asks(change, now)
        assert life.intervals[-1].end is None
        assert life.intervals[-1].kind is kind_of(life.allocation.state)
        assert life.intervals[-1].asked_to_run is (life.allocation.desired is Desired.RUNNING)
    if ends:
        life.moves(State.DELETED, now)
        assert life.intervals[-1].end is not None
    assert life.intervals[0].start == NOW
    assert [one.number for one in life.intervals] == list(range(1, len(life.intervals) + 1))
    for one, following in pairwise(life.intervals):
        assert one.end == following.start
        assert one.start < following.start
    end = max(life.intervals[-1].end or now, life.intervals[-1].start)
    whole = usage_of(life.intervals, Window(NOW, end))
    assert whole.life == (end - NOW) // timedelta(milliseconds=1)
    assert whole.up + whole.down + whole.unknown + whole.off == whole.life
    assert sum(whole.of_kind(kind) for kind in Kind) == whole.life
    # Windows that follow each other add up too.
    cuts = sorted({NOW, end, *(NOW + timedelta(milliseconds=m) for m in bounds)})
    parts = [usage_of(life.intervals, Window(*window)) for window in pairwise(cuts)]
    total = sum(parts, Usage())
    told = usage_of(life.intervals, Window(cuts[0], cuts[-1]))
    assert (total.parts, total.failures) == (told.parts, told.failures)


def test_every_state_counts_as_something_until_its_life_has_ended() -> None:
    assert kind_of(State.DELETED) is None
    assert all(kind_of(state) is not None for state in LIVING)
    assert {kind_of(state) for state in LIVING} == set(Kind)


def test_a_day_of_an_allocation_is_told_as_it_was() -> None:
    life = Life()
    life.moves(State.READY, after(2))
    life.asks(Desired.STOPPED, after(10))
    life.moves(State.STOPPING, after(10.5))
    life.moves(State.STOPPED, after(12))
    life.asks(Desired.RUNNING, after(20))
    life.moves(State.STARTING, after(20))
    life.moves(State.READY, after(21))
    life.moves(State.FAILED, after(30))
    assert life.kinds == [
        (Kind.STARTING, True),
        (Kind.READY, True),
        (Kind.READY, False),
        (Kind.STOPPING, False),
        (Kind.STOPPED, False),
        (Kind.STARTING, True),
        (Kind.READY, True),
        (Kind.FAILED, True),
    ]
    usage = usage_of(life.intervals, Window(NOW, after(40)))
    assert (usage.up, usage.down, usage.off, usage.unknown) == (17_000, 13_000, 10_000, 0)
    assert usage.availability == 17 / 30
    assert usage.failures == 1


def test_waiting_for_capacity_is_no_downtime() -> None:
    life = Life(an_allocation(State.PENDING, create_time=NOW, state_time=NOW))
    life.moves(State.PROVISIONING, after(60))
    life.moves(State.READY, after(61))
    usage = usage_of(life.intervals, Window(NOW, after(161)))
    assert (usage.off, usage.down, usage.up) == (60_000, 1_000, 100_000)


def test_what_never_was_to_run_has_no_availability() -> None:
    assert Usage(parts={(Kind.STOPPED, False): 5}).availability is None


# The engine goes away


def away(life: Life, at: datetime) -> Allocation:
    """The engine goes away; gives the allocation from before."""
    before = life.allocation
    known = LastKnown(before.state, before.state_time, before.reason)
    lost = replace(before.moved(State.UNKNOWN, at), last_known=known, update_time=at)
    life.change(lost)
    return before


def an_instance(state: InstanceState, **fields: object) -> Instance:
    made = Instance("allocations/7f3k2m9q", 1, state, incarnation=1)
    return replace(made, **fields)  # type: ignore[arg-type]


@pytest.fixture
def ready() -> Life:
    """Runs since two seconds after its creation."""
    life = Life()
    life.change(
        replace(life.allocation.moved(State.READY, after(2)), incarnation=1, update_time=after(2))
    )
    return life


def test_what_ran_all_along_was_ready_while_the_engine_was_away(ready: Life) -> None:
    before = away(ready, after(10))
    assert ready.intervals[-1].kind is Kind.UNKNOWN
    back = replace(before, update_time=after(20))
    ready.change(back, truth_about(ready.allocation, back, an_instance(InstanceState.READY)))
    assert ready.kinds == [(Kind.STARTING, True), (Kind.READY, True)]
    assert ready.intervals[-1].start == after(2)


def test_what_ended_meanwhile_was_ready_until_then(ready: Life) -> None:
    away(ready, after(10))
    found = replace(ready.allocation.moved(State.FAILED, after(20)), update_time=after(20))
    ended = an_instance(InstanceState.EXITED, finish_time=after(15))
    ready.change(found, truth_about(ready.allocation, found, ended))
    assert ready.kinds[1:] == [(Kind.READY, True), (Kind.FAILED, True)]
    assert ready.intervals[-1].start == after(15)


def test_what_is_started_again_did_not_run_since_its_end(ready: Life) -> None:
    away(ready, after(10))
    found = replace(ready.allocation.moved(State.STARTING, after(20)), update_time=after(20))
    ended = an_instance(InstanceState.EXITED, finish_time=after(15), stop_requested=True)
    ready.change(found, truth_about(ready.allocation, found, ended))
    assert ready.kinds[1:] == [(Kind.READY, True), (Kind.STOPPED, True), (Kind.STARTING, True)]


@pytest.mark.parametrize("ended", [after(1), after(99)])
def test_an_end_outside_of_what_was_unknown_changes_nothing_else(
    ready: Life, ended: datetime
) -> None:
    away(ready, after(10))
    found = replace(ready.allocation.moved(State.FAILED, after(20)), update_time=after(20))
    gone = an_instance(InstanceState.EXITED, finish_time=ended)
    ready.change(found, truth_about(ready.allocation, found, gone))
    usage = usage_of(ready.intervals, Window(NOW, after(20)))
    assert usage.of_kind(Kind.READY) == (8_000 if ended < after(10) else 18_000)
    assert usage.life == 20_000


def test_what_its_owner_asked_for_meanwhile_is_told_with_the_truth(ready: Life) -> None:
    away(ready, after(10))
    ready.asks(Desired.STOPPED, after(12))
    ready.asks(Desired.RUNNING, after(14))
    back = replace(ready.allocation.moved(State.READY, after(2)), update_time=after(20))
    ready.change(back, truth_about(ready.allocation, back, an_instance(InstanceState.READY)))
    assert ready.kinds[1:] == [(Kind.READY, True), (Kind.READY, False), (Kind.READY, True)]


@pytest.mark.parametrize(
    "found",
    [
        an_instance(InstanceState.READY, incarnation=2, start_time=after(15)),
        an_instance(InstanceState.MISSING, generation=0, incarnation=0),
        an_instance(InstanceState.EXITED, incarnation=2, finish_time=after(15)),
        an_instance(InstanceState.EXITED),
        None,
    ],
)
def test_what_nobody_has_told_stays_unknown(ready: Life, found: Instance | None) -> None:
    away(ready, after(10))
    now = replace(ready.allocation.moved(State.READY, after(20)), update_time=after(20))
    ready.change(now, truth_about(ready.allocation, now, found))
    assert ready.kinds[1:] == [(Kind.READY, True), (Kind.UNKNOWN, True), (Kind.READY, True)]
    usage = usage_of(ready.intervals, Window(NOW, after(30)))
    assert (usage.unknown, usage.up, usage.down) == (10_000, 18_000, 2_000)
    assert usage.availability == 18 / 20
