"""Events, acts and dead letters as they are sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from allocator.allocations.v1 import allocation_pb2
from allocator.timeline.v1 import dead_letter_pb2, event_pb2, timeline_facts_pb2
from allocator.users.v1 import user_pb2
from google.protobuf import json_format
from google.protobuf.message import Message

from broker.domain.entry import Entry, Kind
from broker.domain.event import ACTOR, DELETED_PERSON, RESOURCE, Act, Event, Phase
from broker.domain.letter import Letter, LetterFact, Notice
from broker.transport.facts import message_in
from broker.usecases.timeline import Told
from chassis.bus import Record
from chassis.bus.facts import fact_records

_PEOPLE = "users/"
_NOUN = "timeline"
_SOURCE = "broker"


def event_message(event: Event, told: Told) -> event_pb2.Event:
    """An event of a page of a timeline."""
    called = name_of(event.actor, told.people, told.owner)
    message = event_pb2.Event(
        name=f"{event.allocation}/timeline/{event.id}",
        text=_text_of(event, called, told.took.get(event.id)),
        type=event.type,
        source=event.source,
        actor=event.actor,
        actor_name=called,
        method=event.method,
        trace_id=event.trace,
    )
    message.time.FromDatetime(event.time)
    return message


def act_message(act: Act, people: Mapping[str, Entry]) -> event_pb2.AuditEvent:
    """Something that an admin did."""
    called = name_of(act.actor, people)
    resource = act.resource
    if resource.startswith(_PEOPLE):
        resource = name_of(resource, people) if resource == DELETED_PERSON else resource
        if act.resource in people:
            resource = f"{name_of(act.resource, people)} ({act.resource})"
    message = event_pb2.AuditEvent(
        name=f"auditEvents/{act.id}",
        text=_by(act.words, called).replace(RESOURCE, resource, 1),
        actor=act.actor,
        actor_name=called,
        method=act.method,
        resource=act.resource,
        type=act.type,
        source=act.source,
        trace_id=act.trace,
    )
    message.time.FromDatetime(act.time)
    return message


def letter_message(letter: Letter, *, with_content: bool = True) -> dead_letter_pb2.DeadLetter:
    """A dead letter.

    Args:
        letter: which one.
        with_content: whether what it says is sent too.
    """
    message = dead_letter_pb2.DeadLetter(
        name=letter.name,
        group=letter.group,
        topic=letter.topic,
        key=letter.key,
        type=letter.type,
        reason=letter.reason,
        message=letter.message,
        attempts=letter.attempts,
        actor=letter.actor,
        method=letter.method,
        trace_id=letter.trace,
        replaying=letter.replaying,
    )
    message.fail_time.FromDatetime(letter.fail_time)
    if letter.fact_time is not None:
        message.fact_time.FromDatetime(letter.fact_time)
    if with_content:
        _fill_content(message, letter)
    return message


def notice_records(notice: Notice) -> Sequence[Record]:
    """What goes onto the bus for a notice."""
    fact: Message
    if notice.letter is None:
        fact = timeline_facts_pb2.DeadLettersReplayed(group=notice.group)
    else:
        letter = letter_message(notice.letter, with_content=False)
        fact = {
            LetterFact.ADDED: timeline_facts_pb2.DeadLetterAdded,
            LetterFact.REPLAYED: timeline_facts_pb2.DeadLetterReplayed,
            LetterFact.DISCARDED: timeline_facts_pb2.DeadLetterDiscarded,
        }[notice.fact](dead_letter=letter)
    # Where it stands is asked of the bus; there is no topic of states.
    return fact_records(
        noun=_NOUN,
        source=_SOURCE,
        fact=fact,
        resource=None,
        key=notice.key,
        version=0,
        now=notice.time,
    )[:1]


def anonymous(entry: Entry) -> Entry | None:
    """An allocation that is gone, without its owner and what the owner wrote; None for any other."""
    if entry.kind is not Kind.ALLOCATION:
        return None
    allocation = allocation_pb2.Allocation()
    allocation.ParseFromString(entry.message)
    if allocation.state != allocation_pb2.Allocation.State.DELETED:
        return None
    allocation.owner = DELETED_PERSON
    for field in ("display_name", "variables", "labels"):
        allocation.ClearField(field)
    del allocation.state_reason.last_lines[:]
    return Entry(
        kind=entry.kind,
        name=entry.name,
        version=entry.version,
        create_time=entry.create_time,
        message=allocation.SerializeToString(),
        owner=DELETED_PERSON,
        machine=entry.machine,
        write_time=entry.write_time,
    )


def name_of(actor: str, people: Mapping[str, Entry], owner: str = "") -> str:
    """What somebody is called.

    Args:
        actor: `users/…`, a service, or empty.
        people: what is known of people.
        owner: of the allocation that it is about.
    """
    if not actor:
        return ""
    if not actor.startswith(_PEOPLE):
        return "The system"
    if actor == DELETED_PERSON:
        return "Somebody who has gone"
    user = user_pb2.User()
    if actor in people:
        user.ParseFromString(people[actor].message)
    name = " ".join(part for part in (user.given_name, user.family_name) if part)
    if name:
        return name
    if actor == owner:
        return "The owner"
    return "An admin" if user_pb2.User.Role.ADMIN in user.roles else "Somebody"


def _text_of(event: Event, called: str, took: timedelta | None) -> str:
    words = _by(event.words, called)
    if event.phase is not Phase.ANSWERED:
        return words
    return f"{words} after {_spoken(took)}." if took is not None else f"{words}."


def _by(words: str, called: str) -> str:
    return f"{called} {words.removeprefix(ACTOR)}" if words.startswith(ACTOR) else words


def _spoken(span: timedelta) -> str:
    """`1.2 s`, `3 min 5 s`, `2 h 4 min`."""
    seconds = max(0.0, span.total_seconds())
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def _fill_content(message: dead_letter_pb2.DeadLetter, letter: Letter) -> None:
    record = Record(letter.topic, letter.key, letter.value, {"ce-type": letter.type})
    fact = message_in(record)
    if fact is None:
        message.raw_content = letter.value
        return
    content = json_format.MessageToDict(fact)
    message.content.update(content)
