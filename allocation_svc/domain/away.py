"""What is so of an allocation of whose instance nothing is known at present, and where it comes back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from allocation_svc.domain.allocation import Allocation, Desired, LastKnown, State, StateReason
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.instance import Instance, InstanceState
from allocation_svc.domain.step import REST, Act, Observation, Step


def is_away(allocation: Allocation, instance: Instance | None) -> bool:
    """Whether nothing is known of the present instance, and its owner does not want it gone."""
    return (
        instance is not None
        and instance.state is InstanceState.AWAY
        and instance.generation == allocation.generation
        and allocation.desired is not Desired.DELETED
    )


def out_of_sight(
    allocation: Allocation, instance: Instance, seen: Observation, now: datetime
) -> Step:
    """Says that it is not known what is so; what its owner asks for is asked of the engine all the same.

    A stop keeps it from being made anew elsewhere, a start has it made elsewhere at once: neither waits
    for the node.

    Args:
        allocation: as it is kept.
        instance: AWAY, with the reason.
        seen: what is known besides.
        now: the present.
    """
    if allocation.state is State.FAILED and not allocation.asked:
        # That says more.
        return REST
    if allocation.state is not State.UNKNOWN:
        reason = StateReason(instance.reason, instance.message)
        lost = replace(
            allocation.moved(State.UNKNOWN, now, reason=reason),
            last_known=LastKnown(allocation.state, allocation.state_time, allocation.reason),
            observed_time=instance.away_time or allocation.observed_time,
        )
        return Step(after=lost, fact=Fact.LOST)
    if allocation.desired is Desired.STOPPED:
        return REST if seen.done is Act.STOP else Step(act=Act.STOP)
    if not allocation.asked:
        return REST
    if seen.done is Act.START:
        return Step(after=replace(allocation, asked=False))
    return Step(act=Act.START)


def placed(allocation: Allocation, instance: Instance) -> Allocation:
    """The allocation with the node and the address that its instance has now."""
    endpoints = allocation.endpoints
    if instance.host:
        endpoints = tuple(replace(endpoint, host=instance.host) for endpoint in endpoints)
    return replace(allocation, placed_on=instance.node or allocation.placed_on, endpoints=endpoints)
