"""What may be asked of an allocation that waits for room, and what becomes of it without."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from allocation_svc.domain.allocation import Allocation, Desired, State, StateReason
from allocation_svc.domain.faults import AllocationNotWaiting
from allocation_svc.domain.step import Rules, deadline_of


def is_waiting(allocation: Allocation) -> bool:
    """Whether it waits for room, and shall go on to."""
    return allocation.state is State.PENDING and allocation.desired is Desired.RUNNING


def admitted(allocation: Allocation, now: datetime, rules: Rules) -> Allocation:
    """One that has room now: it is made, or started again."""
    state = State.STARTING if allocation.admitted else State.PROVISIONING
    deadline = deadline_of(state, allocation, now, rules)
    after = allocation.moved(state, now, deadline=deadline)
    return replace(after, admitted=True, asked=allocation.admitted, update_time=now)


def refuse_unless_waiting(allocation: Allocation) -> None:
    """Lets only those pass that wait.

    Raises:
        AllocationNotWaiting: it does not.
    """
    if not is_waiting(allocation):
        raise AllocationNotWaiting(allocation.name, allocation.state.value)


def cancel(allocation: Allocation, now: datetime, *, by_admin: bool = False) -> Allocation:
    """Takes it out of the queue: gone if it never ran, else stopped as it was before.

    Raises:
        AllocationNotWaiting: it does not wait.
    """
    refuse_unless_waiting(allocation)
    if by_admin:
        reason = StateReason(
            "CANCELLED_BY_ADMIN", "An admin cancelled it while it waited for room."
        )
    else:
        reason = StateReason(
            "CANCELLED_BY_OWNER", "Its owner cancelled it while it waited for room."
        )
    return given_up(allocation, now, reason)


def given_up(allocation: Allocation, now: datetime, reason: StateReason) -> Allocation:
    """What becomes of one that waits no more, and has no room: it keeps what it had before."""
    if allocation.admitted:
        stopped = allocation.moved(State.STOPPED, now, reason=reason)
        return replace(stopped, desired=Desired.STOPPED, asked=False, update_time=now)
    gone = allocation.moved(State.DELETED, now, reason=reason)
    return replace(gone, desired=Desired.DELETED, asked=False, delete_time=now, update_time=now)


def waiting(
    allocation: Allocation, now: datetime, reason: StateReason, deadline: datetime
) -> Allocation:
    """An allocation that waits from now on until a deadline, for what the reason says."""
    after = allocation.moved(State.PENDING, now, reason=reason, deadline=deadline)
    return replace(after, desired=Desired.RUNNING, asked=False, update_time=now)
