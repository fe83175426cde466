"""What is known of an allocation, as the files of its archive."""

from __future__ import annotations

from collections.abc import AsyncIterator

from allocator.allocations.v1 import allocation_pb2

from allocation_svc.transport.usage_report import csv_of, json_of
from allocation_svc.usecases.archives import Files
from allocation_svc.usecases.usage import Period, UsageReading
from chassis.identity.caller import Caller
from chassis.rest import to_json


async def files_about(
    usage: UsageReading, caller: Caller, allocation: allocation_pb2.Allocation
) -> Files:
    """The allocation itself, and its usage as JSON and as CSV."""
    name = allocation.name
    return (
        ("allocation.json", _once(to_json(allocation) + b"\n")),
        ("report.json", json_of(await usage.report(caller, "", name, Period()))),
        ("report.csv", csv_of(await usage.report(caller, "", name, Period()))),
    )


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
