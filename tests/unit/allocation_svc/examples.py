"""Allocations that tests begin with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from allocation_svc.domain.allocation import Allocation, Desired, LastKnown, State
from allocation_svc.domain.step import Rules

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = Rules()


def an_allocation(state: State = State.PROVISIONING, **fields: object) -> Allocation:
    """An allocation in a state, with a deadline where it moves."""
    made = Allocation(
        name="allocations/7f3k2m9q",
        uid="0b0cbd28-7f55-4f2e-8a50-6c9c8a1f9ab4",
        owner="users/ada",
        machine="machines/echo",
        machine_version=1,
        machine_title="Echo",
        display_name="Echo",
        resource_class="small",
        desired=Desired.RUNNING,
        state=state,
        state_time=NOW - timedelta(minutes=1),
        create_time=NOW - timedelta(minutes=1),
        update_time=NOW - timedelta(minutes=1),
        node="here",
    )
    if made.is_moving:
        made = replace(made, deadline=NOW + timedelta(minutes=1))
    if state is State.UNKNOWN:
        made = replace(made, last_known=LastKnown(State.READY, NOW, None))
    return replace(made, **fields)  # type: ignore[arg-type]
