"""The wire form of when allocations end, rest and wake by themselves."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC
from typing import Any

from allocator.allocations.v1 import allocation_pb2
from google.type import dayofweek_pb2

from allocation_svc.domain.schedule import Schedule, schedule_of
from allocation_svc.domain.terms import NO_TERMS, EndAction, Terms
from chassis.clock import millis_of, truncated

TERMS = ("expire_time", "expire_action", "idle_policy", "schedule")
"""The fields of an allocation that are its terms."""

_ACTIONS = {action: allocation_pb2.Allocation.EndAction.Value(action.value) for action in EndAction}


def terms_from_wire(message: allocation_pb2.Allocation) -> Terms:
    """The terms that a new allocation is asked to have.

    Raises:
        ScheduleInvalid: its schedule cannot be followed.
    """
    return terms_change(message, TERMS)(NO_TERMS)


def terms_change(
    message: allocation_pb2.Allocation, chosen: Collection[str]
) -> Callable[[Terms], Terms]:
    """What becomes of terms by an update.

    Args:
        message: the values; one that is unset takes away.
        chosen: the fields to change.

    Raises:
        ScheduleInvalid: the schedule cannot be followed.
    """
    changes: dict[str, Any] = {}
    if "expire_time" in chosen:
        changes["expire_time"] = (
            truncated(message.expire_time.ToDatetime(tzinfo=UTC))
            if message.HasField("expire_time")
            else None
        )
    if "expire_action" in chosen:
        deletes = message.expire_action == allocation_pb2.Allocation.DELETE
        changes["expire_action"] = EndAction.DELETE if deletes else EndAction.STOP
    if "idle_policy" in chosen:
        changes["idle_seconds"] = message.idle_policy.timeout.ToMilliseconds() / 1000
    if "schedule" in chosen:
        changes["schedule"] = _schedule(message.schedule)
    return lambda terms: replace(terms, **changes)


def fill_terms(message: allocation_pb2.Allocation, terms: Terms) -> None:
    """Writes terms into an allocation's message."""
    if terms is NO_TERMS:
        return
    if terms.expire_time is not None:
        message.expire_time.FromMilliseconds(millis_of(terms.expire_time))
        message.expire_action = _ACTIONS[terms.expire_action]
    if terms.idle_seconds:
        message.idle_policy.timeout.FromMilliseconds(round(terms.idle_seconds * 1000))
    if terms.schedule is not None:
        message.schedule.time_zone = terms.schedule.time_zone
        for one in terms.schedule.actions:
            message.schedule.actions.add(
                action=allocation_pb2.ScheduledAction.Action.Value(one.action.value),
                # Monday is 1 on the wire.
                days=[dayofweek_pb2.DayOfWeek.Name(day + 1) for day in one.days],
                time=one.time,
            )


def _schedule(message: allocation_pb2.Schedule) -> Schedule | None:
    return schedule_of(
        message.time_zone,
        [
            (
                allocation_pb2.ScheduledAction.Action.Name(one.action),
                [day - 1 for day in one.days],
                one.time,
            )
            for one in message.actions
        ],
    )
