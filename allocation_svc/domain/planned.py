"""What happens to an allocation by itself: its expiry, its idle policy and its schedule.

`by_time` names the next step that follows from the time alone, as `decide` does from what is seen: a
change that is due, a warning that is due, a plan that has changed; and when to look again. The plan
and whether its owner was warned are kept with the allocation, so a warning comes once, whoever
decides. What is due is found from the terms and the present each time, never from a plan that was
written before: a clock that was wrong for a while has no lasting effect.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from allocation_svc.domain import requests
from allocation_svc.domain.allocation import Allocation, Desired, PlannedChange, State, StateReason
from allocation_svc.domain.expiry import expiring, why_ended
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.idleness import Idling, judged, why_stopped
from allocation_svc.domain.schedule import Action
from allocation_svc.domain.step import REST, Rules, Step, Use

_SAME = timedelta(seconds=5)
_CLOCK_WAS_SET = timedelta(minutes=1)


def by_time(allocation: Allocation, use: Use | None, now: datetime, rules: Rules) -> Step:
    """The next step that follows from the time; only `look_again`, or nothing, where none does.

    Args:
        allocation: as it is kept; one that waits for room has not begun, so nothing follows.
        use: what is known of its use; None where nothing is.
        now: the present.
        rules: how long before a change its owner is warned.
    """
    if allocation.state is State.PENDING or allocation.desired is Desired.DELETED:
        return REST if allocation.planned is None else Step(after=replace(allocation, planned=None))
    due = _expired(allocation, now) or _scheduled(allocation, now)
    if due is not None:
        return Step(after=due)
    idling = judged(allocation, use, now, rules)
    if idling is not None and idling.due:
        return Step(after=_turned(allocation, requests.stop, why_stopped(allocation), now))
    return _planned(allocation, idling, now, rules, use_is_known=use is not None)


def replanned(allocation: Allocation, now: datetime, rules: Rules) -> Allocation:
    """An allocation whose terms or desired state have just changed, with what is planned now."""
    step = by_time(allocation, None, now, rules)
    return allocation if step.after is None or step.fact is not None else step.after


def _expired(allocation: Allocation, now: datetime) -> Allocation | None:
    end = expiring(allocation)
    if end is None or now < end.time:
        return None
    ask = requests.delete if end.desired is Desired.DELETED else requests.stop
    return _turned(allocation, ask, why_ended(allocation), now)


def _scheduled(allocation: Allocation, now: datetime) -> Allocation | None:
    """What the schedule has said since it was last followed: only its last word counts."""
    schedule, until = allocation.terms.schedule, allocation.scheduled_until
    if schedule is None:
        return None
    if until is None or until > now + _CLOCK_WAS_SET:
        # The clock was ahead when that was written: nothing later than now was done.
        return replace(allocation, scheduled_until=now)
    last = schedule.latest(now)
    if last is None or last.time <= until:
        return None
    if last.action is Action.STOP and allocation.desired is Desired.RUNNING:
        reason = StateReason(
            "SCHEDULED",
            "It was stopped because its schedule says so; start it when you need it.",
        )
        return _turned(allocation, requests.stop, reason, now)
    rests = allocation.desired is Desired.STOPPED or allocation.known_state is State.FAILED
    if last.action is Action.START and rests and not allocation.terms.expired(now):
        return _turned(allocation, requests.start, None, now)
    return replace(allocation, scheduled_until=now)


def _turned(
    allocation: Allocation, ask: requests.Ask, reason: StateReason | None, now: datetime
) -> Allocation:
    """The allocation after one of its terms has asked for something, as its owner might have."""
    return replace(ask(allocation, now), stop_reason=reason, planned=None)


def _planned(
    allocation: Allocation,
    idling: Idling | None,
    now: datetime,
    rules: Rules,
    *,
    use_is_known: bool,
) -> Step:
    """Writes down what comes next where that has changed; warns where it is time."""
    kept = allocation.planned
    changes = [expiring(allocation), _next_of_schedule(allocation, now)]
    if idling is not None:
        changes.append(idling.planned)
    elif (
        not use_is_known
        and kept is not None
        and kept.reason.reason == "IDLE"
        and allocation.state is State.READY
        and allocation.terms.idle_seconds
    ):
        # Nothing is known of its use yet, as after a start of this process.
        changes.append(kept)
    found = [change for change in changes if change is not None]
    next_one = min(found, key=lambda change: change.time) if found else None
    looks = [_next_word(allocation, now), None if idling is None else idling.look_again]
    if next_one is None:
        if kept is not None:
            return Step(after=replace(allocation, planned=None))
        return Step(look_again=_soonest(*looks))
    if kept is None or not _is_same(kept, next_one):
        return Step(after=replace(allocation, planned=_with_warning(next_one, now, rules)))
    if kept.warn_time is not None and not kept.warned:
        if now >= kept.warn_time:
            warned = replace(allocation, planned=replace(kept, warned=True))
            return Step(after=warned, fact=Fact.EXPIRING)
        looks.append(kept.warn_time)
    return Step(look_again=_soonest(*looks, kept.time if kept.time > now else None))


def _next_of_schedule(allocation: Allocation, now: datetime) -> PlannedChange | None:
    schedule = allocation.terms.schedule
    if schedule is None:
        return None
    if allocation.desired is Desired.RUNNING:
        time, words = schedule.next(now, Action.STOP), "Its schedule stops it then."
        desired = Desired.STOPPED
    else:
        time, words = schedule.next(now, Action.START), "Its schedule starts it then."
        desired = Desired.RUNNING
    if time is None or (desired is Desired.RUNNING and allocation.terms.expired(time)):
        return None
    return PlannedChange(time, desired, StateReason("SCHEDULED", words))


def _next_word(allocation: Allocation, now: datetime) -> datetime | None:
    """When the schedule next says anything, also what is so already."""
    schedule = allocation.terms.schedule
    if schedule is None:
        return None
    return _soonest(*(schedule.next(now, action) for action in Action))


def _with_warning(change: PlannedChange, now: datetime, rules: Rules) -> PlannedChange:
    if change.desired is Desired.RUNNING:
        return change
    lead = min(timedelta(seconds=rules.warning), (change.time - now) / 2)
    return replace(change, warn_time=change.time - lead)


def _is_same(kept: PlannedChange, change: PlannedChange) -> bool:
    """Whether a change is the one that is written down; when use was last seen is known roughly."""
    same_kind = (kept.desired, kept.reason.reason) == (change.desired, change.reason.reason)
    if kept.reason.reason != "IDLE":
        return same_kind and kept.time == change.time
    return same_kind and abs(kept.time - change.time) <= _SAME


def _soonest(*times: datetime | None) -> datetime | None:
    return min((time for time in times if time is not None), default=None)
