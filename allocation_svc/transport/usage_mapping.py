"""The wire form of usage."""

from __future__ import annotations

from datetime import UTC, datetime

from allocator.allocations.v1 import usage_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from allocation_svc.domain.usage import Interval, Kind, Usage, Window
from allocation_svc.usecases.usage import Period, Told
from chassis.clock import millis_of, truncated

_KINDS = {kind: usage_pb2.Usage.Kind.Value(kind.value) for kind in Kind}


def period_in(request: Message) -> Period:
    """Of which time a request asks."""
    return Period(_instant(request, "start_time"), _instant(request, "end_time"))


def _instant(message: Message, field: str) -> datetime | None:
    if not message.HasField(field):
        return None
    stamp: Timestamp = getattr(message, field)
    return truncated(stamp.ToDatetime(tzinfo=UTC))


def allocation_usage_of(told: Told) -> usage_pb2.AllocationUsage:
    """What is told of one allocation."""
    return usage_pb2.AllocationUsage(
        name=f"{told.allocation.name}/usage",
        owner=told.allocation.owner,
        machine=told.allocation.machine,
        total=usage_message(told.usage),
        intervals=[_interval_message(one, told.window) for one in told.intervals],
        next_page_token=told.next_page,
    )


def machine_usage_of(machine: str, usage: Usage, count: int) -> usage_pb2.MachineUsage:
    """What is told of a machine."""
    return usage_pb2.MachineUsage(
        name=f"{machine}/usage", total=usage_message(usage), allocation_count=count
    )


def usage_message(usage: Usage) -> usage_pb2.Usage:
    """What one or several allocations come to."""
    message = usage_pb2.Usage(
        start_time=_stamp(usage.start),
        end_time=_stamp(usage.end),
        life=_span(usage.life),
        uptime=_span(usage.up),
        downtime=_span(usage.down),
        unknown_time=_span(usage.unknown),
        off_time=_span(usage.off),
        availability=usage.availability,
        failure_count=usage.failures,
    )
    for kind, value in _KINDS.items():
        millis = usage.of_kind(kind)
        if millis:
            message.kinds.add(kind=value, duration=_span(millis))
    return message


def _interval_message(interval: Interval, window: Window) -> usage_pb2.UsageInterval:
    end = interval.end or window.end
    return usage_pb2.UsageInterval(
        kind=_KINDS[interval.kind],
        asked_to_run=interval.asked_to_run,
        start_time=_stamp(interval.start),
        end_time=_stamp(end),
        duration=_span(millis_of(end) - millis_of(interval.start)),
        open=interval.end is None,
    )


def _stamp(instant: datetime | None) -> Timestamp | None:
    if instant is None:
        return None
    seconds, millis = divmod(millis_of(instant), 1000)
    return Timestamp(seconds=seconds, nanos=millis * 1_000_000)


def _span(millis: int) -> Duration:
    seconds, rest = divmod(millis, 1000)
    return Duration(seconds=seconds, nanos=rest * 1_000_000)
