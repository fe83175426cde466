"""Facts as records, and back."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar
from uuid import uuid4

from google.protobuf.message import DecodeError, Message

from chassis.bus.causes import present_cause
from chassis.bus.port import Record, facts_topic, state_topic
from chassis.clock.instants import rfc3339
from chassis.faults import Invalid

M = TypeVar("M", bound=Message)


def fact_records(
    *,
    noun: str,
    source: str,
    fact: Message,
    resource: Message | None,
    key: str,
    version: int,
    now: datetime,
) -> list[Record]:
    """What to publish when something has happened: the fact, and the state that it led to.

    Both say what has caused them: the call that is served now, or the record that is consumed. Neither may hold a code, a token, a password or a secret variable.

    Args:
        noun: the plural of the resource, `machines`.
        source: the service that says so, `machines_svc`.
        fact: what has happened, `MachinePublished`.
        resource: the resource as it is now; None where it is gone, which leaves a tombstone.
        key: the resource name; facts of one key stay in order.
        version: of the resource, after it.
        now: when it happened.

    Returns:
        One record for the topic of facts and one for the topic of states.
    """
    cause = present_cause()
    attributes = {
        "ce-specversion": "1.0",
        "ce-source": source,
        "ce-time": rfc3339(now),
        "ce-subject": key,
        "version": str(version),
        "actor": cause.actor,
        "method": cause.method,
        "traceparent": cause.trace,
        **({"actor-role": "ADMIN"} if cause.as_admin else {}),
    }

    def record(topic: str, message: Message, value: bytes) -> Record:
        kind = str(message.DESCRIPTOR.full_name)
        return Record(topic, key, value, {"ce-id": str(uuid4()), "ce-type": kind, **attributes})

    # A tombstone has no message: its type is that of the fact which it follows.
    state = fact if resource is None else resource
    return [
        record(facts_topic(noun), fact, fact.SerializeToString()),
        record(state_topic(noun), state, b"" if resource is None else resource.SerializeToString()),
    ]


def decode(record: Record, *message_types: type[M]) -> M | None:
    """The message in a record, if its `ce-type` is one of those that are wanted.

    Facts of other types, and tombstones (`record.is_tombstone`), give None: a topic carries more than
    one consumer wants, and later versions add types.

    Args:
        record: as consumed.
        message_types: the classes of messages that are wanted.

    Raises:
        Invalid: the value is not a message of the type that the record says.
    """
    wanted = record.headers.get("ce-type", "")
    if record.is_tombstone:
        return None
    for message_type in message_types:
        if message_type.DESCRIPTOR.full_name == wanted:
            message = message_type()
            try:
                message.ParseFromString(record.value)
            except DecodeError:
                raise Invalid(f"The value of a record is not a {wanted}.", type=wanted) from None
            return message
    return None
