"""Entries between the wire and the domain."""

from __future__ import annotations

from datetime import UTC, datetime

from allocator.allocations.v1 import allocation_pb2
from allocator.directory.v1 import directory_service_pb2
from allocator.machines.v1 import machine_pb2
from allocator.users.v1 import user_pb2

from broker.domain.entry import Ended, Entry, Kind
from chassis.bus import Record, state_topic
from chassis.bus.facts import decode
from chassis.clock import truncated
from chassis.faults import Invalid

Resource = user_pb2.User | machine_pb2.Machine | allocation_pb2.Allocation

_KINDS: dict[type[Resource], Kind] = {
    user_pb2.User: Kind.USER,
    machine_pb2.Machine: Kind.MACHINE,
    allocation_pb2.Allocation: Kind.ALLOCATION,
}
_TOPICS = {state_topic(kind.value): kind for kind in Kind}
TOPICS = tuple(_TOPICS)
"""Where the present state of everything is."""


def entry_of(resource: Resource, version: int, now: datetime) -> Entry:
    """The entry of a resource.

    Args:
        resource: as its owner sends it, without secrets.
        version: of the resource.
        now: when this is learnt.
    """
    allocation = resource if isinstance(resource, allocation_pb2.Allocation) else None
    return Entry(
        kind=_KINDS[type(resource)],
        name=resource.name,
        version=version,
        create_time=truncated(resource.create_time.ToDatetime(UTC)),
        message=resource.SerializeToString(),
        owner=allocation.owner if allocation else "",
        machine=allocation.machine if allocation else "",
        write_time=now,
    )


def news_of(record: Record, now: datetime) -> Entry | Ended | None:
    """What a record of a topic of states says; None for what the directory does not keep.

    Raises:
        Invalid: the record is not one that our services publish.
    """
    kind = _TOPICS.get(record.topic)
    if kind is None:
        return None
    if record.is_tombstone:
        return Ended(kind, record.key, _end_time(record))
    resource = decode(record, *_KINDS)
    if resource is None:
        return None
    if resource.name != record.key or _KINDS[type(resource)] is not kind:
        raise Invalid(f"The record of {record.key} on {record.topic} is about something else.")
    return entry_of(resource, _version(record), now)


def user_response(entry: Entry, now: datetime) -> directory_service_pb2.GetUserResponse:
    """A person's entry as it is sent."""
    response = directory_service_pb2.GetUserResponse()
    response.user.ParseFromString(entry.message)
    _set_freshness(response.freshness, entry, now)
    return response


def machine_response(entry: Entry, now: datetime) -> directory_service_pb2.GetMachineResponse:
    """A machine's entry as it is sent."""
    response = directory_service_pb2.GetMachineResponse()
    response.machine.ParseFromString(entry.message)
    _set_freshness(response.freshness, entry, now)
    return response


def allocation_response(entry: Entry, now: datetime) -> directory_service_pb2.GetAllocationResponse:
    """An allocation's entry as it is sent."""
    response = directory_service_pb2.GetAllocationResponse()
    response.allocation.ParseFromString(entry.message)
    _set_freshness(response.freshness, entry, now)
    return response


def _set_freshness(freshness: directory_service_pb2.Freshness, entry: Entry, now: datetime) -> None:
    freshness.version = entry.version
    # The clock may have been set back since.
    freshness.age.FromTimedelta(max(now, entry.write_time) - entry.write_time)


def _version(record: Record) -> int:
    try:
        version = int(record.headers["version"])
    except (KeyError, ValueError):
        version = 0
    if version < 1:
        raise Invalid(f"The record of {record.key} on {record.topic} says no version.")
    return version


def _end_time(record: Record) -> datetime:
    try:
        return truncated(datetime.fromisoformat(record.headers["ce-time"]))
    except (KeyError, ValueError):
        raise Invalid(f"The record of {record.key} on {record.topic} says no time.") from None
