"""What happens to an allocation when its time is over."""

from __future__ import annotations

from allocation_svc.domain.allocation import Allocation, Desired, PlannedChange, StateReason
from allocation_svc.domain.terms import EndAction
from chassis.clock import rfc3339


def expiring(allocation: Allocation) -> PlannedChange | None:
    """The end of an allocation's time; None where it has none, or where nothing is left to do then."""
    terms = allocation.terms
    if terms.expire_time is None:
        return None
    at = rfc3339(terms.expire_time)
    if terms.expire_action is EndAction.DELETE:
        message = f"Its time is over at {at}; it is removed then, with its files. Set a later expire_time to keep it."
        return PlannedChange(terms.expire_time, Desired.DELETED, StateReason("EXPIRED", message))
    if allocation.desired is not Desired.RUNNING:
        return None
    message = (
        f"Its time is over at {at}; it is stopped then. Set a later expire_time to keep it running."
    )
    return PlannedChange(terms.expire_time, Desired.STOPPED, StateReason("EXPIRED", message))


def why_ended(allocation: Allocation) -> StateReason:
    """Why it was stopped or removed, for its owner who finds it so."""
    assert allocation.terms.expire_time is not None
    at = rfc3339(allocation.terms.expire_time)
    if allocation.terms.expire_action is EndAction.DELETE:
        message = f"It was removed because its time was over at {at}; rent the machine again."
    else:
        message = f"It was stopped because its time was over at {at}; set a later expire_time, then start it."
    return StateReason("EXPIRED", message)
