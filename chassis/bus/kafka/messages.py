"""Records as messages of Kafka, and back."""

from __future__ import annotations

from typing import NamedTuple

from confluent_kafka import Message

from chassis.bus.kafka.address import Address
from chassis.bus.port import Record

Headers = list[tuple[str, str | bytes | None]]


class Outgoing(NamedTuple):
    """A message to publish.

    Attributes:
        topic: as it is called on the cluster.
        key: of the record.
        value: None for a tombstone.
        headers: in order.
    """

    topic: str
    key: bytes
    value: bytes | None
    headers: Headers


def outgoing(record: Record, address: Address) -> Outgoing:
    """A record as a message."""
    value = None if record.is_tombstone else record.value
    headers: Headers = list(record.headers.items())
    return Outgoing(address.name(record.topic), record.key.encode(), value, headers)


def headers_of(message: Message) -> dict[str, str]:
    """The headers of a message as text; of several of one name, the last."""
    found = message.headers() or []
    pairs = found.items() if isinstance(found, dict) else found
    return {name: _text(value) for name, value in pairs}


def bytes_of(content: str | bytes | None) -> bytes:
    """A key or value as bytes; none is none at all."""
    return content.encode() if isinstance(content, str) else content or b""


def record_of(message: Message, address: Address) -> Record:
    """A message as a record. Whatever somebody else has published, this does not fail."""
    return Record(
        address.own(message.topic() or ""),
        _text(bytes_of(message.key())),
        bytes_of(message.value()),
        headers_of(message),
    )


def _text(value: str | bytes | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""
