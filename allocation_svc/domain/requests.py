"""What an owner may ask of an allocation: each a pure change of what is desired.

The state itself is the reconciler's; so these say only what shall be. A request that asks for what is
already desired and so changes nothing gives the allocation back as it was, the very same object.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from allocation_svc.domain.allocation import Allocation, Desired, State, StateReason
from allocation_svc.domain.crashes import NO_RESTARTS
from allocation_svc.domain.faults import (
    AllocationDeleted,
    AllocationExpired,
    AllocationNotRunning,
    AllocationWaiting,
)
from allocation_svc.domain.queue import cancel
from chassis.clock import rfc3339

Ask = Callable[[Allocation, datetime], Allocation]
"""What may be asked, at a time."""

_RESTARTABLE = frozenset({State.READY, State.STARTING, State.UNHEALTHY})


def start(allocation: Allocation, now: datetime) -> Allocation:
    """Asks that it runs; a failed one is tried again, and one that waits for a restart at once.

    Raises:
        AllocationDeleted: it has been, or is to be, removed.
        AllocationExpired: its time is over.
    """
    _refuse_deleted(allocation)
    tries_again = allocation.known_state is State.FAILED or allocation.restarts.planned is not None
    if allocation.desired is Desired.RUNNING and not tries_again:
        return allocation
    if allocation.terms.expire_time is not None and allocation.terms.expired(now):
        raise AllocationExpired(allocation.name, rfc3339(allocation.terms.expire_time))
    return replace(_asked(allocation, Desired.RUNNING, now), asked=True, restarts=NO_RESTARTS)


def stop(allocation: Allocation, now: datetime) -> Allocation:
    """Asks that it does not run.

    Raises:
        AllocationDeleted: it has been, or is to be, removed.
        AllocationWaiting: it has never been admitted, so there is nothing to stop.
    """
    _refuse_deleted(allocation)
    if allocation.state is State.PENDING:
        if not allocation.admitted:
            raise AllocationWaiting(allocation.name)
        return cancel(allocation, now)
    if allocation.desired is Desired.STOPPED and allocation.known_state is not State.FAILED:
        return allocation
    return replace(_asked(allocation, Desired.STOPPED, now), asked=True, restarts=NO_RESTARTS)


def stop_for(allocation: Allocation, now: datetime, reason: StateReason) -> Allocation:
    """Says that it shall not run any more, and why, where that is not its owner's wish."""
    asked = _asked(allocation, Desired.STOPPED, now)
    return replace(asked, asked=True, restarts=NO_RESTARTS, stop_reason=reason)


def restart(allocation: Allocation, now: datetime) -> Allocation:
    """Asks that its program ends and starts again, once: the incarnation that shall end is kept.

    Raises:
        AllocationDeleted: it has been, or is to be, removed.
        AllocationNotRunning: there is no running program to restart.
    """
    _refuse_deleted(allocation)
    running = allocation.known_state in _RESTARTABLE and allocation.incarnation > 0
    if allocation.desired is not Desired.RUNNING or not running:
        raise AllocationNotRunning(allocation.name, allocation.known_state.value)
    if allocation.after_incarnation >= allocation.incarnation:
        return allocation
    return replace(
        allocation,
        after_incarnation=allocation.incarnation,
        restarts=NO_RESTARTS,
        update_time=now,
    )


def delete(allocation: Allocation, now: datetime, *, keep_volumes: bool = False) -> Allocation:
    """Asks that it is gone, with its volumes or without; legal in every state."""
    if allocation.desired is Desired.DELETED:
        return allocation
    return replace(_asked(allocation, Desired.DELETED, now), keep_volumes=keep_volumes)


def _asked(allocation: Allocation, desired: Desired, now: datetime) -> Allocation:
    # Whatever the schedule said before now is overruled.
    return replace(
        allocation,
        desired=desired,
        stop_reason=None,
        scheduled_until=now,
        planned=None,
        update_time=now,
    )


def _refuse_deleted(allocation: Allocation) -> None:
    if allocation.desired is Desired.DELETED:
        raise AllocationDeleted(allocation.name)
