"""After a restart of the host, and what a clock that is set looks like."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from allocation_svc.domain.clock_steps import ClockStep
from allocation_svc.domain.instance import Instance, InstanceState
from allocation_svc.usecases.boot import Turns
from allocation_svc.usecases.clock_watch import ClockWatch
from chassis.clock import ManualClock
from tests.unit.allocation_svc.examples import NOW


class SettableClock(ManualClock):
    """One whose time of day can be set."""

    by = timedelta(0)

    def now(self) -> datetime:
        """The present."""
        return super().now() + self.by


def ended(number: int) -> Instance:
    """One that ended with its host; the higher the number, the later it had been started."""
    return Instance(
        f"allocations/a{number:03}",
        1,
        InstanceState.EXITED,
        1,
        start_time=NOW + timedelta(seconds=number),
        ended_with_host=True,
    )


def test_two_hundred_come_back_a_few_at_a_time_in_the_order_they_were() -> None:
    kicked: list[str] = []
    turns = Turns(4, kicked.append)
    fleet = [ended(number) for number in range(200)]
    for instance in reversed(fleet):
        turns.heard(instance)
    assert not kicked, "the order is known once all were told of"
    turns.all_heard()
    starting: list[Instance] = []
    order: list[str] = []
    while len(order) < 200:
        for instance in fleet:
            if instance.allocation not in order and turns.has_turn(instance):
                order.append(instance.allocation)
                starting.append(instance)
        assert len(starting) <= 4
        up = starting.pop(0)
        turns.heard(replace(up, state=InstanceState.RUNNING, ended_with_host=False))
        assert len(starting) == 3 or len(order) == 200
        turns.heard(replace(up, state=InstanceState.READY, ended_with_host=False))
    assert order == [instance.allocation for instance in fleet]
    assert kicked == order


def test_a_turn_ends_with_a_failure_and_for_one_that_is_not_to_run() -> None:
    turns = Turns(1, lambda _: None)
    fleet = [ended(number) for number in range(4)]
    for instance in fleet:
        turns.heard(instance)
    turns.all_heard()
    assert [turns.has_turn(instance) for instance in fleet] == [True, False, False, False]
    turns.heard(replace(ended(0), state=InstanceState.FAILED, ended_with_host=False))
    assert [turns.has_turn(instance) for instance in fleet[1:]] == [True, False, False]
    turns.leave(fleet[2].allocation)
    turns.leave(fleet[1].allocation)
    assert turns.has_turn(fleet[3])


def test_nobody_has_a_turn_before_the_engine_has_told_of_everything() -> None:
    turns = Turns(1, lambda _: None)
    # Somebody is worked on as soon as it is told of, others are told of later.
    assert not turns.has_turn(ended(2))
    turns.heard(ended(1))
    turns.all_heard()
    assert [turns.has_turn(ended(number)) for number in (2, 1)] == [False, True]
    turns.hear_anew()
    turns.leave(ended(1).allocation)
    assert not turns.has_turn(ended(2)), "another may have ended with it now"
    turns.heard(ended(0))
    turns.all_heard()
    assert [turns.has_turn(ended(number)) for number in (2, 0)] == [False, True]


def test_who_was_asked_about_and_not_told_of_waits_like_others() -> None:
    turns = Turns(1, lambda _: None)
    turns.heard(ended(1))
    turns.all_heard()
    assert not turns.has_turn(ended(2))
    turns.leave(ended(1).allocation)
    assert turns.has_turn(ended(2))


def test_a_clock_that_is_set_forward_is_seen() -> None:
    clock = SettableClock()
    watch = ClockWatch(clock)
    clock.advance(3600)
    assert not watch.steps
    clock.by += timedelta(hours=1)
    now = clock.now()
    assert watch.steps == (ClockStep(now, timedelta(hours=1)),)
    clock.by -= timedelta(hours=2)
    assert len(watch.steps) == 1, "one that goes back is seen by deadlines that are too far away"
    clock.by += timedelta(seconds=1)
    assert len(watch.steps) == 1, "a clock that is kept right moves a little"
