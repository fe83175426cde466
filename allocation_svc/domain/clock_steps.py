"""What a clock that was set means for deadlines: they are spans, and are kept as times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from allocation_svc.domain.allocation import Allocation
from allocation_svc.domain.decision import decide
from allocation_svc.domain.step import Observation, Rules, Step, deadline_of

_SLACK = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The clock was set forward, or stood still while the host slept.

    Attributes:
        time: the time right after it.
        by: how far it went; above zero.
    """

    time: datetime
    by: timedelta


def with_true_deadline(
    allocation: Allocation, now: datetime, steps: Sequence[ClockStep], rules: Rules
) -> Allocation:
    """The allocation with the deadline that it would have if the clock had not been set since.

    A clock that goes forward ends no span early. One that goes back lengthens none by more than the span
    itself: a deadline that is further away than any could be begins anew.

    Args:
        allocation: as it is kept.
        now: the present.
        steps: how the clock was set forward, as far as that was seen; oldest first.
        rules: how long things may take.

    Returns:
        The very same object where nothing is to be changed.
    """
    deadline = allocation.deadline
    if deadline is None:
        return allocation
    for step in steps:
        if allocation.update_time < step.time:
            deadline += step.by
    longest = deadline_of(allocation.state, allocation, now, rules)
    if longest is not None:
        deadline = min(deadline, longest + timedelta(seconds=rules.restarts.longest) + _SLACK)
    return allocation if deadline == allocation.deadline else replace(allocation, deadline=deadline)


def decide_by_any_clock(
    allocation: Allocation,
    seen: Observation,
    now: datetime,
    rules: Rules,
    steps: Sequence[ClockStep] = (),
) -> Step:
    """The next step, as `decide` names it, whatever was done to the clock.

    Args:
        allocation: as it is kept.
        seen: what is known of its instance and of the engine.
        now: the present.
        rules: how long and how often.
        steps: how the clock was set forward, as far as that was seen; oldest first.
    """
    known = with_true_deadline(allocation, now, steps, rules)
    step = decide(known, seen, now, rules)
    if known is allocation or step.after is not None:
        return step
    # Kept, so that it comes nearer.
    return replace(step, after=known)
