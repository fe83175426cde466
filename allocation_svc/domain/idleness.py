"""When an allocation has been without use for so long that it is stopped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from allocation_svc.domain.allocation import Allocation, Desired, PlannedChange, State, StateReason
from allocation_svc.domain.step import Rules, Use
from allocation_svc.domain.terms import in_words
from chassis.clock import rfc3339

_NOTICED = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Idling:
    """What follows from the use of an allocation.

    Attributes:
        planned: its stop; None while it counts as in use.
        due: whether that is to be done now.
        look_again: when this is to be judged again.
    """

    planned: PlannedChange | None
    due: bool
    look_again: datetime


def judged(allocation: Allocation, use: Use | None, now: datetime, rules: Rules) -> Idling | None:
    """What follows from the use of an allocation; None where that is of no account, or not known.

    It counts as in use for some time after it was: for a quarter of what it may be idle, two minutes
    at most. So what is used now and then has no plan that comes and goes.
    """
    timeout = timedelta(seconds=allocation.terms.idle_seconds)
    runs = allocation.desired is Desired.RUNNING and allocation.state is State.READY
    if not timeout or not runs or use is None:
        return None
    since = max(use.last_time, allocation.state_time)
    noticed = since + min(timeout / 4, _NOTICED)
    if now < noticed:
        return Idling(None, due=False, look_again=noticed)
    end = since + timeout
    reason = StateReason(
        "IDLE",
        f"Nobody has used it since {rfc3339(since)}; it is stopped after "
        f"{in_words(allocation.terms.idle_seconds)} without use. Use it, and it goes on.",
    )
    planned = PlannedChange(end, Desired.STOPPED, reason)
    if now < end:
        return Idling(planned, due=False, look_again=end)
    # What came between the last look and the end is not known yet.
    soon = now + timedelta(seconds=rules.again)
    return Idling(planned, due=use.asked_time >= end, look_again=soon)


def why_stopped(allocation: Allocation) -> StateReason:
    """Why it was stopped, for its owner who finds it so."""
    return StateReason(
        "IDLE",
        f"It was stopped because it was idle for {in_words(allocation.terms.idle_seconds)}; start it "
        "when you need it.",
    )
