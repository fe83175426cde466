"""When allocations end, rest and wake by themselves, as JSON documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from allocation_svc.domain.schedule import Action, Schedule, ScheduledAction
from allocation_svc.domain.terms import NO_TERMS, EndAction, Terms
from chassis.clock import instant_of, millis_of


def terms_document(terms: Terms) -> dict[str, Any] | None:
    """Terms as they are kept; nothing where there are none."""
    if terms == NO_TERMS:
        return None
    return {
        "expire_time": None if terms.expire_time is None else millis_of(terms.expire_time),
        "expire_action": terms.expire_action.value,
        "idle_seconds": terms.idle_seconds,
        "schedule": None if terms.schedule is None else _schedule_document(terms.schedule),
    }


def terms_of(document: Mapping[str, Any] | None) -> Terms:
    """The terms that a document was made of."""
    if document is None:
        return NO_TERMS
    expire_time, schedule = document["expire_time"], document["schedule"]
    return Terms(
        expire_time=None if expire_time is None else instant_of(expire_time),
        expire_action=EndAction(document["expire_action"]),
        idle_seconds=document["idle_seconds"],
        schedule=None if schedule is None else _schedule(schedule),
    )


def _schedule_document(schedule: Schedule) -> dict[str, Any]:
    return {
        "time_zone": schedule.time_zone,
        "actions": [[one.action.value, list(one.days), one.time] for one in schedule.actions],
    }


def _schedule(document: Mapping[str, Any]) -> Schedule:
    return Schedule(
        document["time_zone"],
        tuple(
            ScheduledAction(Action(action), tuple(days), time)
            for action, days, time in document["actions"]
        ),
    )
