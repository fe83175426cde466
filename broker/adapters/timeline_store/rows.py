"""Events, acts and leavers as rows of tables, and as documents, which have the same fields."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from broker.domain.event import DELETED_PERSON, Act, Event, Leaver, News, Phase
from chassis.clock import millis_of

_PEOPLE = "users/"


def event_row(event: Event, gone: Collection[str]) -> dict[str, Any]:
    """An event; an actor who has gone is left out."""
    return {
        "allocation": event.allocation,
        "place": event.place,
        "id": event.id,
        "time": event.time,
        "version": event.version,
        "type": event.type,
        "source": event.source,
        "words": event.words,
        "actor": _left_out(event.actor, gone),
        "method": event.method,
        "trace": event.trace,
        "phase": event.phase.value,
    }


def event_of(row: Mapping[Any, Any]) -> Event:
    """The event in a row."""
    return Event(
        allocation=row["allocation"],
        id=row["id"],
        time=row["time"],
        version=int(row["version"]),
        type=row["type"],
        source=row["source"],
        words=row["words"],
        actor=row["actor"],
        method=row["method"],
        trace=row["trace"],
        phase=Phase(row["phase"]),
    )


def act_row(act: Act, gone: Collection[str]) -> dict[str, Any]:
    """An act; people who have gone are left out."""
    return {
        "place": act.place,
        "id": act.id,
        "time": act.time,
        "version": act.version,
        "actor": _left_out(act.actor, gone),
        "method": act.method,
        "resource": _left_out(act.resource, gone),
        "type": act.type,
        "source": act.source,
        "words": act.words,
        "trace": act.trace,
    }


def act_of(row: Mapping[Any, Any]) -> Act:
    """The act in a row."""
    return Act(
        id=row["id"],
        time=row["time"],
        version=int(row["version"]),
        actor=row["actor"],
        method=row["method"],
        resource=row["resource"],
        type=row["type"],
        source=row["source"],
        words=row["words"],
        trace=row["trace"],
    )


def leaver_row(leaver: Leaver) -> dict[str, Any]:
    """A person who has gone."""
    return {"person": leaver.person, "time": leaver.time, "fact": leaver.fact}


def leaver_of(row: Mapping[Any, Any]) -> Leaver:
    """The person in a row."""
    return Leaver(row["person"], row["time"], row["fact"])


def people_in(news: News) -> set[str]:
    """Everybody whom some news name."""
    named = {event.actor for event in news.events}
    named |= {name for act in news.acts for name in (act.actor, act.resource)}
    return {name for name in named if name.startswith(_PEOPLE)}


def first_place(time: datetime) -> str:
    """What is less than every place of that time or later, and greater than all before."""
    return f"{max(0, millis_of(time)):015d}-"


def _left_out(name: str, gone: Collection[str]) -> str:
    return DELETED_PERSON if name in gone else name
