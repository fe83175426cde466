"""What happens by itself: expiry, idle stop and schedules, with their plans and warnings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation_svc.domain import requests
from allocation_svc.domain.allocation import Allocation, Desired, State
from allocation_svc.domain.decision import decide
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.faults import (
    AllocationExpired,
    ExpireTimeInvalid,
    IdleTimeoutInvalid,
)
from allocation_svc.domain.instance import Instance, InstanceState
from allocation_svc.domain.planned import by_time, replanned
from allocation_svc.domain.schedule import schedule_of
from allocation_svc.domain.step import Act, Observation, Use
from allocation_svc.domain.terms import EndAction, TermLimits, Terms, in_words
from tests.unit.allocation_svc.examples import NOW, RULES, an_allocation

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OFFICE = schedule_of("UTC", [("START", [], "08:00"), ("STOP", [], "18:00")])


def running(**terms: object) -> Allocation:
    """One that runs since a while, with terms."""
    return an_allocation(
        State.READY,
        terms=Terms(**terms),  # type: ignore[arg-type]
        incarnation=1,
        scheduled_until=NOW,
        state_time=NOW - MINUTE,
    )


@dataclass
class Life:
    """An allocation whose engine does at once what it is told, followed along the time."""

    allocation: Allocation
    now: datetime = NOW
    used: datetime | None = None
    facts: list[tuple[datetime, Fact]] = field(default_factory=list)
    writes: int = 0

    def look(self) -> datetime | None:
        """Takes steps until nothing is to be done; says when to look again."""
        for _ in range(50):
            step = decide(self.allocation, self.seen(), self.now, RULES)
            if step.after is not None:
                self.writes += 1
                self.allocation = replace(step.after, update_time=self.now)
                if step.fact is not None:
                    self.facts.append((self.now, step.fact))
            elif step.act is None:
                return step.look_again
        raise AssertionError(f"no rest: {self.allocation}")

    def seen(self) -> Observation:
        """An instance as it is wanted, and the use that is known."""
        allocation = self.allocation
        runs = allocation.desired is Desired.RUNNING
        state = InstanceState.READY if runs else InstanceState.EXITED
        incarnation = allocation.after_incarnation + 1
        instance = Instance(
            allocation.name, allocation.generation, state, incarnation, observe_time=self.now
        )
        use = None if self.used is None else Use(self.used, self.now)
        done = Act.REMOVE if allocation.state is State.DELETING else None
        return Observation(instance=instance, use=use, done=done)

    def until(self, end: datetime) -> None:
        """Follows it, looking only when it says."""
        for _ in range(500):
            again = self.look()
            if again is None or again > end:
                self.now = end
                return
            assert again > self.now
            self.now = again
        raise AssertionError("it looks again and again")

    def state(self) -> State:
        """What is so."""
        return self.allocation.state

    def told(self) -> list[Fact]:
        """The facts without their times."""
        return [fact for _, fact in self.facts]


def test_without_terms_nothing_is_planned() -> None:
    assert by_time(running(), None, NOW, RULES).look_again is None
    assert by_time(running(), None, NOW, RULES).after is None


def test_an_expiry_is_planned_warned_of_and_done() -> None:
    life = Life(running(expire_time=NOW + 2 * HOUR))
    assert life.look() == NOW + 2 * HOUR - 10 * MINUTE
    planned = life.allocation.planned
    assert planned is not None
    assert (planned.time, planned.desired, planned.reason.reason) == (
        NOW + 2 * HOUR,
        Desired.STOPPED,
        "EXPIRED",
    )
    life.until(NOW + 3 * HOUR)
    assert life.facts == [
        (NOW + 2 * HOUR - 10 * MINUTE, Fact.EXPIRING),
        (NOW + 2 * HOUR, Fact.STOPPED),
    ]
    assert life.allocation.state is State.STOPPED
    assert life.allocation.reason is not None
    assert life.allocation.reason.reason == "EXPIRED"
    assert life.allocation.planned is None


def test_the_warning_comes_at_half_of_a_short_time() -> None:
    life = Life(running(expire_time=NOW + 4 * MINUTE))
    assert life.look() == NOW + 2 * MINUTE


def test_a_warning_comes_once_whoever_decides() -> None:
    life = Life(running(expire_time=NOW + HOUR))
    life.until(NOW + 55 * MINUTE)
    again = Life(life.allocation, now=life.now)
    again.look()
    assert life.told() == [Fact.EXPIRING]
    assert again.told() == []


def test_a_later_end_takes_the_plan_back_and_warns_again() -> None:
    life = Life(running(expire_time=NOW + HOUR))
    life.until(NOW + 55 * MINUTE)
    life.allocation = replace(life.allocation, terms=Terms(expire_time=NOW + 3 * HOUR))
    life.until(NOW + 4 * HOUR)
    assert life.told() == [Fact.EXPIRING, Fact.EXPIRING, Fact.STOPPED]


def test_an_end_may_remove_also_what_is_stopped() -> None:
    life = Life(running(expire_time=NOW + HOUR, expire_action=EndAction.DELETE))
    life.allocation = requests.stop(life.allocation, NOW)
    life.until(NOW + 2 * HOUR)
    assert life.told() == [Fact.STOPPED, Fact.EXPIRING, Fact.DELETED]
    assert life.allocation.reason is not None
    assert life.allocation.reason.reason == "EXPIRED"


def test_a_stopped_one_has_nothing_left_to_expire() -> None:
    life = Life(running(expire_time=NOW + HOUR))
    life.allocation = requests.stop(life.allocation, NOW)
    assert life.look() is None
    assert life.allocation.planned is None


def test_after_its_end_it_is_not_started_until_it_has_more_time() -> None:
    life = Life(running(expire_time=NOW + HOUR))
    life.until(NOW + 2 * HOUR)
    with pytest.raises(AllocationExpired):
        requests.start(life.allocation, life.now)
    longer = replace(life.allocation, terms=Terms(expire_time=NOW + 3 * HOUR))
    assert requests.start(longer, life.now).desired is Desired.RUNNING


def test_idleness_stops_it_and_says_so() -> None:
    life = Life(running(idle_seconds=1800), used=NOW)
    life.until(NOW + HOUR)
    assert life.facts == [
        (NOW + 20 * MINUTE, Fact.EXPIRING),
        (NOW + 30 * MINUTE, Fact.STOPPED),
    ]
    assert life.allocation.reason is not None
    assert life.allocation.reason.message == (
        "It was stopped because it was idle for 30 minutes; start it when you need it."
    )


def test_use_takes_the_plan_back() -> None:
    life = Life(running(idle_seconds=1800), used=NOW)
    life.until(NOW + 25 * MINUTE)
    assert life.allocation.planned is not None
    life.used = NOW + 25 * MINUTE
    life.look()
    assert life.allocation.planned is None
    life.until(NOW + 50 * MINUTE)
    assert life.told() == [Fact.EXPIRING, Fact.EXPIRING]
    life.until(NOW + 56 * MINUTE)
    assert life.told()[-1] is Fact.STOPPED


def test_what_is_used_now_and_then_is_not_written_again_and_again() -> None:
    life = Life(running(idle_seconds=3600), used=NOW)
    for minute in range(600):
        life.now = life.used = NOW + minute * MINUTE
        life.look()
    assert life.writes == 0


def test_without_a_fresh_look_at_its_use_it_is_not_stopped() -> None:
    allocation = running(idle_seconds=1800)
    late = NOW + HOUR
    step = by_time(allocation, Use(NOW, late - 31 * MINUTE), late, RULES)
    assert step.after is not None
    assert step.after.desired is Desired.RUNNING
    step = by_time(step.after, Use(NOW, NOW + 29 * MINUTE), late, RULES)
    while step.after is not None:
        assert step.after.desired is Desired.RUNNING
        step = by_time(step.after, Use(NOW, NOW + 29 * MINUTE), late, RULES)
    assert step.look_again is not None
    assert step.look_again > late
    assert by_time(allocation, None, late, RULES).after is None


def test_a_plan_outlives_a_process_that_knows_nothing_of_use() -> None:
    life = Life(running(idle_seconds=1800), used=NOW)
    life.until(NOW + 25 * MINUTE)
    planned = life.allocation.planned
    life.used = None
    life.look()
    assert life.allocation.planned == planned
    assert life.told() == [Fact.EXPIRING]


def test_a_start_begins_the_time_of_idling_anew() -> None:
    late = running(idle_seconds=1800)
    fresh = replace(late, state_time=NOW + HOUR)
    step = by_time(fresh, Use(NOW - HOUR, NOW + HOUR), NOW + HOUR, RULES)
    assert step.after is None


def test_a_schedule_stops_and_starts_it() -> None:
    life = Life(running(schedule=OFFICE))
    life.until(NOW + 2 * DAY)
    assert life.facts == [
        (NOW + 5 * HOUR + 50 * MINUTE, Fact.EXPIRING),
        (NOW + 6 * HOUR, Fact.STOPPED),
        (NOW + 20 * HOUR, Fact.READY),
        (NOW + 29 * HOUR + 50 * MINUTE, Fact.EXPIRING),
        (NOW + 30 * HOUR, Fact.STOPPED),
        (NOW + 44 * HOUR, Fact.READY),
    ]


def test_a_scheduled_stop_has_its_own_reason() -> None:
    life = Life(running(schedule=OFFICE))
    life.until(NOW + 7 * HOUR)
    assert life.allocation.reason is not None
    assert life.allocation.reason.reason == "SCHEDULED"
    planned = life.allocation.planned
    assert planned is not None
    assert (planned.time, planned.desired) == (NOW + 20 * HOUR, Desired.RUNNING)


def test_a_stop_by_hand_lasts_until_the_next_start() -> None:
    life = Life(running(schedule=OFFICE))
    life.until(NOW + HOUR)
    life.allocation = requests.stop(life.allocation, life.now)
    life.until(NOW + 19 * HOUR)
    assert life.state() is State.STOPPED
    life.until(NOW + 21 * HOUR)
    assert life.state() is State.READY


def test_after_a_downtime_only_the_last_word_is_done_and_once() -> None:
    life = Life(running(schedule=OFFICE), now=NOW + 3 * DAY + 8 * HOUR)
    life.look()
    assert life.allocation.desired is Desired.STOPPED
    assert life.told() == [Fact.STOPPED]
    # One whose last word is what is so already does nothing at all.
    at_noon = Life(running(schedule=OFFICE), now=NOW + 3 * DAY)
    at_noon.look()
    assert at_noon.told() == []
    assert at_noon.allocation.desired is Desired.RUNNING


def test_what_its_owner_asked_for_after_a_missed_time_counts() -> None:
    allocation = running(schedule=OFFICE)
    late = NOW + 8 * HOUR
    stopped = requests.stop(allocation, NOW + HOUR)
    started = requests.start(stopped, late - HOUR)
    life = Life(started, now=late)
    life.look()
    assert life.allocation.desired is Desired.RUNNING


def test_a_schedule_starts_nothing_whose_time_is_over() -> None:
    life = Life(running(schedule=OFFICE, expire_time=NOW + HOUR))
    life.until(NOW + 2 * DAY)
    assert life.allocation.state is State.STOPPED
    assert life.allocation.planned is None


def test_what_failed_is_tried_again_by_its_schedule_at_its_time_alone() -> None:
    failed = replace(running(schedule=OFFICE), state=State.FAILED)
    assert by_time(failed, None, NOW + 6 * HOUR, RULES).after is not None
    tried = by_time(failed, None, NOW + 20 * HOUR, RULES).after
    assert tried is not None
    assert tried.asked
    before = by_time(failed, None, NOW + MINUTE, RULES).after
    assert before is not None
    assert not before.asked


def test_a_clock_that_was_ahead_for_a_while_has_no_lasting_effect() -> None:
    life = Life(running(schedule=OFFICE))
    life.look()
    life.now = NOW + 30 * DAY
    life.look()
    life.now = NOW + MINUTE
    life.look()
    assert life.allocation.scheduled_until == NOW + MINUTE
    life.allocation = replace(
        life.allocation, desired=Desired.RUNNING, state=State.READY, incarnation=2
    )
    life.until(NOW + 7 * HOUR)
    assert life.allocation.state is State.STOPPED


def test_the_earliest_of_all_ends_is_planned() -> None:
    life = Life(
        running(schedule=OFFICE, expire_time=NOW + 7 * HOUR, idle_seconds=8 * 3600), used=NOW
    )
    life.until(NOW + 3 * HOUR)
    assert life.allocation.planned is not None
    assert life.allocation.planned.reason.reason == "SCHEDULED"
    life.allocation = replace(
        life.allocation, terms=replace(life.allocation.terms, expire_time=NOW + 4 * HOUR)
    )
    life.look()
    planned = life.allocation.planned
    assert planned is not None
    assert planned.reason.reason == "EXPIRED"


def test_a_change_of_terms_shows_its_plan_at_once() -> None:
    planned = replanned(running(expire_time=NOW + HOUR), NOW, RULES).planned
    assert planned is not None
    assert planned.time == NOW + HOUR


WORDS = st.lists(
    st.tuples(
        st.sampled_from(["pass", "use", "stop", "start", "extend", "back", "process"]),
        st.integers(1, 2000),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(words=WORDS, idle=st.sampled_from([0, 600, 7200]), ends=st.sampled_from([None, 3, 50]))
def test_whatever_happens_every_stop_was_due_and_every_warning_comes_once(
    words: list[tuple[str, int]], idle: int, ends: int | None
) -> None:
    end = None if ends is None else NOW + ends * HOUR
    life = Life(running(schedule=OFFICE, idle_seconds=idle, expire_time=end), used=NOW)
    for word, minutes in words:
        match word:
            case "pass":
                life.until(life.now + minutes * MINUTE)
            case "use":
                life.used = life.now
                life.look()
            case "stop":
                life.allocation = requests.stop(life.allocation, life.now)
            case "start" if not life.allocation.terms.expired(life.now):
                life.allocation = requests.start(life.allocation, life.now)
            case "extend":
                terms = replace(life.allocation.terms, expire_time=life.now + minutes * MINUTE)
                life.allocation = replace(life.allocation, terms=terms)
            case "back":
                life.now -= minutes * MINUTE
                life.used = min(life.used or life.now, life.now)
            case "process":
                life.look()
        life.look()
        allocation = life.allocation
        if allocation.terms.expired(life.now):
            assert allocation.desired is Desired.STOPPED
        if allocation.planned is not None and allocation.planned.reason.reason != "IDLE":
            assert allocation.planned.time > life.now
    warnings = [time for time, fact in life.facts if fact is Fact.EXPIRING]
    assert life.writes < 50 + 12 * len(words) + 40 * len(warnings)


@pytest.mark.parametrize(
    ("limits", "terms", "fault"),
    [
        (TermLimits(), Terms(expire_time=NOW), ExpireTimeInvalid),
        (TermLimits(longest_lifetime=3600), Terms(expire_time=NOW + 2 * HOUR), ExpireTimeInvalid),
        (TermLimits(), Terms(idle_seconds=59), IdleTimeoutInvalid),
        (TermLimits(longest_idle=600), Terms(idle_seconds=601), IdleTimeoutInvalid),
    ],
)
def test_what_is_not_allowed_is_refused(
    limits: TermLimits, terms: Terms, fault: type[Exception]
) -> None:
    with pytest.raises(fault):
        limits.check(Terms(), terms, NOW, NOW, unlimited=False)


def test_limits_hold_for_what_is_taken_away_too() -> None:
    limits = TermLimits(longest_lifetime=3600, longest_idle=600)
    before = Terms(expire_time=NOW + MINUTE, idle_seconds=600)
    with pytest.raises(ExpireTimeInvalid):
        limits.check(before, replace(before, expire_time=None), NOW, NOW, unlimited=False)
    with pytest.raises(IdleTimeoutInvalid):
        limits.check(before, replace(before, idle_seconds=0.0), NOW, NOW, unlimited=False)
    limits.check(before, Terms(), NOW, NOW, unlimited=True)


def test_what_nobody_says_is_filled_in() -> None:
    limits = TermLimits(default_lifetime=3600, longest_lifetime=7200, longest_idle=600)
    assert limits.completed(Terms(), NOW) == Terms(expire_time=NOW + HOUR, idle_seconds=600)
    chosen = Terms(expire_time=NOW + MINUTE, idle_seconds=120)
    assert limits.completed(chosen, NOW) == chosen


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1800, "30 minutes"),
        (86400, "1 day"),
        (90, "90 seconds"),
        (7200, "2 hours"),
        (0, "0 seconds"),
    ],
)
def test_spans_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
