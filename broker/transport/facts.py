"""What facts of all services say to the timeline: records to news."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from hashlib import blake2b

from allocator.access.v1 import access_pb2
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from broker.domain.event import Act, Event, Leaver, News, Phase
from broker.transport.words import act_words, event_words
from chassis.bus import Record, facts_topic
from chassis.bus.causes import Cause, cause_of
from chassis.clock import truncated
from chassis.faults import Invalid
from chassis.rpc.contract import contract_files, methods_of
from chassis.telemetry import trace_id

_ID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_ALLOCATION = re.compile(r"allocations/[a-z0-9]{4,32}", re.ASCII)
_PEOPLE = "users/"
_LEFT = "allocator.users.v1.UserDeleted"
_FACTS_FILE = re.compile(r"allocator/([a-z]+)/v[0-9]+/[a-z_]*facts\.proto")
_DEEP = 2
# Packages whose facts are about resources of several nouns, each with a topic.
_NOUNS = {
    "allocations": ("allocations", "nodes", "volumes"),
    "billing": ("orders", "wallets"),
}
_CATALOGUE = "allocator.machines."
_OWNERS = ("owner", "author", "publisher")


@cache
def fact_topics() -> tuple[str, ...]:
    """The topics of facts of every service whose contract this version has."""
    packages = {
        found[1] for file in contract_files() if (found := _FACTS_FILE.fullmatch(file.name or ""))
    }
    nouns = {noun for package in packages for noun in _NOUNS.get(package, (package,))}
    return tuple(facts_topic(noun) for noun in sorted(nouns))


def news_of_facts(records: Sequence[Record]) -> News:
    """What some records of topics of facts say.

    Whatever a record is about, and whether or not this version knows its type: if it concerns an
    allocation it becomes an event of it, and if an admin has caused it as such, an act.

    Raises:
        Invalid: a record does not say when it happened: it is none of our services'.
    """
    events: list[Event] = []
    acts: list[Act] = []
    leavers: list[Leaver] = []
    for record in records:
        fact = message_in(record)
        if record.headers.get("ce-type") == _LEFT:
            leavers.append(Leaver(record.key, _time_of(record), record.headers.get("ce-id", "")))
        events += (_event(record, fact, name) for name in _allocations(record, fact))
        act = _act(record, fact)
        if act is not None:
            acts.append(act)
    return News(events, acts, leavers)


def message_in(record: Record) -> Message | None:
    """What a record says; None where its type is not known or its value is not of that type."""
    message_type = _class_of(record.headers.get("ce-type", ""))
    if message_type is None:
        return None
    message = message_type()
    try:
        message.ParseFromString(record.value)
    except DecodeError:
        return None
    return message


def _event(record: Record, fact: Message | None, allocation: str) -> Event:
    cause = cause_of(record)
    type_name = record.headers.get("ce-type", "")
    words, phase = event_words(type_name, fact, cause.actor, cause.method)
    if allocation != record.key:
        phase = Phase.NONE
    return Event(
        allocation=allocation,
        id=_id_of(record),
        time=_time_of(record),
        version=_version_of(record),
        type=type_name[:200],
        source=record.headers.get("ce-source", "")[:100],
        words=words,
        actor=cause.actor[:100],
        method=cause.method[:250],
        trace=trace_id(cause.trace),
        phase=phase,
    )


def _act(record: Record, fact: Message | None) -> Act | None:
    cause = cause_of(record)
    type_name = record.headers.get("ce-type", "")
    if not cause.actor.startswith(_PEOPLE) or not _is_act(record, fact, cause, type_name):
        return None
    return Act(
        id=_id_of(record),
        time=_time_of(record),
        version=_version_of(record),
        actor=cause.actor[:100],
        method=cause.method[:250],
        resource=record.key,
        type=type_name[:200],
        source=record.headers.get("ce-source", "")[:100],
        words=act_words(type_name, fact),
        trace=trace_id(cause.trace),
    )


def _is_act(record: Record, fact: Message | None, cause: Cause, type_name: str) -> bool:
    """Whether an admin has done it as such.

    By a method for admins; to a machine, since the catalogue is everybody's; or to what is another's.
    What else comes of it, told by other services, has its cause too, but is no act of its own.
    """
    package = cause.method.rpartition("/")[0].rpartition(".")[0]
    if not package or not type_name.startswith(f"{package}."):
        return False
    who = _rules().get(cause.method)
    if who == access_pb2.Rule.ADMIN:
        return True
    if cause.as_admin and package.startswith(_CATALOGUE):
        return True
    owner = _owner_in(record, fact)
    if who == access_pb2.Rule.OWNER:
        return owner != cause.actor if owner else cause.as_admin
    return cause.as_admin and bool(owner) and owner != cause.actor


def _owner_in(record: Record, fact: Message | None) -> str:
    """Whose what a fact is about is; empty where that is not known."""
    if record.key.startswith(_PEOPLE):
        return record.key
    if fact is None:
        return ""
    parts = [
        getattr(fact, field.name) for field, is_name in _fields_of(fact.DESCRIPTOR) if not is_name
    ]
    owners = (getattr(one, name, "") for one in (fact, *parts) for name in _OWNERS)
    return next((str(owner) for owner in owners if owner), "")


@cache
def _rules() -> dict[str, int]:
    """Who may call each method, by its path without the slash before it."""
    return {
        method.path[1:]: method.rule.who
        for file in contract_files()
        for service in file.services_by_name.values()
        for method in methods_of(service)
    }


@cache
def _class_of(type_name: str) -> type[Message] | None:
    _rules()  # which has all contracts known
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(type_name)
    except KeyError:
        return None
    return message_factory.GetMessageClass(descriptor)


def _allocations(record: Record, fact: Message | None) -> set[str]:
    """The allocations that a fact concerns: by its key, or by what the server says in it."""
    found = {record.key} if _ALLOCATION.fullmatch(record.key) else set()
    if fact is not None:
        found |= {name for name in _named_in(fact) if _ALLOCATION.fullmatch(name)}
    return found


def _named_in(message: Message, deep: int = _DEEP) -> Iterator[str]:
    for field, is_name in _fields_of(message.DESCRIPTOR):
        if is_name:
            yield getattr(message, field.name)
        elif deep and message.HasField(field.name):
            yield from _named_in(getattr(message, field.name), deep - 1)


@cache
def _fields_of(descriptor: Descriptor) -> tuple[tuple[FieldDescriptor, bool], ...]:
    """The fields that can name an allocation, and messages that may have such fields.

    Only what servers say: an allocation that a person names in what they write is not theirs for that.
    """
    found = []
    for field in descriptor.fields:
        behaviours = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
        if field.is_repeated or field_behavior_pb2.OUTPUT_ONLY not in behaviours:
            continue
        if field.message_type is not None:
            if field.message_type.full_name.startswith("allocator."):
                found.append((field, False))
        elif field.type == FieldDescriptor.TYPE_STRING and field.name == "allocation":
            found.append((field, True))
    return tuple(found)


def _id_of(record: Record) -> str:
    given = record.headers.get("ce-id", "")
    if _ID.fullmatch(given):
        return given
    whole = "\0".join([record.topic, record.key, given, record.headers.get("ce-time", "")])
    return blake2b(whole.encode() + record.value, digest_size=16).hexdigest()


def _version_of(record: Record) -> int:
    try:
        return max(0, int(record.headers.get("version", "0")))
    except ValueError:
        return 0


def _time_of(record: Record) -> datetime:
    try:
        return truncated(datetime.fromisoformat(record.headers["ce-time"]))
    except (KeyError, ValueError):
        raise Invalid(f"The record of {record.key} on {record.topic} says no time.") from None
