"""What the reconciler does next about an allocation: a pure function of what is desired and seen.

`decide` compares and names one step: a change of the allocation to write down, then one call of the
engine, then when to look again. The change is written before the call is made, and each call may be
made again, so a process that dies between any two of them goes on where it stopped.

How a program is started at most once for each request: `after_incarnation` is the incarnation that
was there when the request was made, and the program shall run with a higher one. An end with a
higher incarnation is an end by itself; one with the same is a start that is still to be made.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from allocation_svc.domain.allocation import Allocation, Desired, LastKnown, State, StateReason
from allocation_svc.domain.away import is_away, out_of_sight
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.instance import Instance, InstanceState
from allocation_svc.domain.planned import by_time
from allocation_svc.domain.step import REST, Act, Observation, Rules, Step, deadline_of, fact_of
from allocation_svc.domain.towards_rest import TowardsDeleted, TowardsStopped
from allocation_svc.domain.towards_room import TowardsRoom
from allocation_svc.domain.towards_running import TowardsRunning


def decide(
    allocation: Allocation, seen: Observation, now: datetime, rules: Rules | None = None
) -> Step:
    """The next step.

    Args:
        allocation: as it is kept.
        seen: what is known of its instance and of the engine.
        now: the present.
        rules: how long and how often.
    """
    rules = rules or Rules()
    if allocation.state is State.DELETED:
        return REST
    if allocation.state is State.PENDING:
        # It has nothing at the engine, or nothing that runs.
        return TowardsRoom(allocation, None, seen.done, now, rules).step()
    timed = by_time(allocation, seen.use, now, rules)
    if timed.after is not None:
        return timed
    step = _by_sight(allocation, seen, now, rules)
    if timed.look_again is None or step.act is not None:
        return step
    return replace(step, look_again=min(timed.look_again, step.look_again or timed.look_again))


def _by_sight(allocation: Allocation, seen: Observation, now: datetime, rules: Rules) -> Step:
    """The next step that follows from what is seen."""
    if not seen.engine_answers:
        return _without_engine(allocation, seen, now, rules)
    if seen.instance is not None and is_away(allocation, seen.instance):
        return out_of_sight(allocation, seen.instance, seen, now)
    if allocation.state is State.UNKNOWN:
        return _engine_is_back(allocation, seen, now, rules)
    instance = seen.instance
    if instance is not None and instance.generation > allocation.generation:
        # The engine has seen more than the store remembers, as after a restored backup.
        return Step(after=replace(allocation, generation=instance.generation), act=Act.LOOK)
    if instance is not None and instance.generation < allocation.generation:
        instance = Instance(allocation.name, allocation.generation, InstanceState.MISSING)
    known = (allocation, instance, seen.done, now, rules)
    match allocation.desired:
        case Desired.DELETED:
            return TowardsDeleted(*known).step()
        case Desired.STOPPED:
            return TowardsStopped(*known).step()
        case Desired.RUNNING:
            return TowardsRunning(*known, turn=seen.turn).step()


def _without_engine(allocation: Allocation, seen: Observation, now: datetime, rules: Rules) -> Step:
    # FAILED says more than UNKNOWN, and DELETING stays true: it goes on when the engine is back.
    if allocation.state in (State.UNKNOWN, State.FAILED, State.DELETING):
        return REST
    if seen.away_seconds < rules.away:
        return Step(look_again=now + timedelta(seconds=rules.away - seen.away_seconds))
    reason = StateReason(
        "ENGINE_UNAVAILABLE",
        "The engine does not answer, so what is so is not known; nothing is lost, and what was asked "
        "for is done when the engine is back.",
    )
    lost = replace(
        allocation.moved(State.UNKNOWN, now, reason=reason),
        last_known=LastKnown(allocation.state, allocation.state_time, allocation.reason),
        observed_time=seen.heard_time or allocation.observed_time,
    )
    return Step(after=lost, fact=Fact.LOST)


def _engine_is_back(allocation: Allocation, seen: Observation, now: datetime, rules: Rules) -> Step:
    known = allocation.last_known
    if seen.instance is None and not (known and known.state is State.PROVISIONING):
        return Step(act=Act.LOOK)
    before = known or LastKnown(State.PROVISIONING, now, None)
    back = replace(
        allocation,
        state=before.state,
        state_time=before.state_time,
        reason=before.reason,
        last_known=None,
        observed_time=now,
        deadline=deadline_of(before.state, allocation, now, rules),
    )
    step = _by_sight(back, seen, now, rules)
    if step.after is not None:
        return step
    return replace(step, after=back, fact=fact_of(back.state))
