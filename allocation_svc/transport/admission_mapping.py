"""The wire form of quotas, resource classes and estimates, to the domain and back."""

from __future__ import annotations

from datetime import datetime

from allocator.allocations.v1 import (
    allocation_service_pb2,
    quota_pb2,
    resource_class_pb2,
)
from allocator.reasons.v1 import reason_pb2
from google.protobuf.message import Message

from allocation_svc.domain.capacity import AMOUNTS, Amounts, Bounds
from allocation_svc.domain.estimate import Estimate
from allocation_svc.domain.quota import Quota
from allocation_svc.domain.resource_class import ResourceClass
from chassis.listing import etag_of


def amounts_message(amounts: Amounts | Bounds) -> quota_pb2.QuotaAmounts:
    """Amounts; what has no limit is -1."""
    found = {name: getattr(amounts, name) for name in AMOUNTS}
    return quota_pb2.QuotaAmounts(
        **{name: -1 if amount is None else amount for name, amount in found.items()}
    )


def quota_message(quota: Quota) -> quota_pb2.Quota:
    """What a person may have, and has."""
    message = quota_pb2.Quota(
        name=f"{quota.owner}/quota",
        overrides=quota_pb2.QuotaAmounts(**quota.overrides.amounts),
        limits=amounts_message(quota.limits),
        used=amounts_message(quota.used),
        etag=etag_of(quota.overrides.version),
    )
    _fill_time(message, "update_time", quota.overrides.update_time)
    return message


def class_message(kept: ResourceClass) -> resource_class_pb2.ResourceClass:
    """A resource class."""
    message = resource_class_pb2.ResourceClass(
        name=kept.name,
        title=kept.title,
        cpu_millis=kept.cpu_millis,
        memory_bytes=kept.memory_bytes,
        pids=kept.pids,
        disk_bytes=kept.disk_bytes,
        is_default=kept.is_default,
        etag=etag_of(kept.version),
    )
    _fill_time(message, "create_time", kept.create_time)
    _fill_time(message, "update_time", kept.update_time)
    return message


def estimate_message(estimate: Estimate) -> allocation_service_pb2.EstimateAllocationResponse:
    """What would come of renting a machine."""
    quota = estimate.quota
    message = allocation_service_pb2.EstimateAllocationResponse(
        can_run_now=estimate.can_run_now,
        can_ever_run=estimate.can_ever_run,
        resource_class=estimate.resource_class,
        needs=amounts_message(estimate.needs),
        quota=quota_message(quota),
        left=amounts_message(
            Bounds(
                *(_left(getattr(quota.limits, n), getattr(quota.used, n)) for n in AMOUNTS),
            )
        ),
    )
    for obstacle in estimate.obstacles:
        message.obstacles.add(
            reason=reason_pb2.Reason.Value(obstacle.reason),
            message=obstacle.message,
            lasts=obstacle.lasts,
        )
    if estimate.price is not None:
        message.price_per_hour.currency_code = estimate.price.currency
        message.price_per_hour.minor_units = estimate.price.amount
    if estimate.place is not None:
        message.queue.position = estimate.place.position
        message.queue.length = estimate.place.length
        _fill_time(message.queue, "expected_time", estimate.place.expected_time)
    return message


def _left(limit: int | None, used: int) -> int | None:
    return None if limit is None else max(0, limit - used)


def _fill_time(message: Message, field: str, time: datetime | None) -> None:
    if time is not None:
        getattr(message, field).FromDatetime(time)
