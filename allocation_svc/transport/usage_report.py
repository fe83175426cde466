"""Reports of usage as CSV and as JSON, written while they are read."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

import orjson

from allocation_svc.domain.allocation import Allocation
from allocation_svc.domain.usage import Kind, Usage, Window
from allocation_svc.usecases.usage import Report
from chassis.clock import rfc3339

CSV_TYPE = "text/csv; charset=utf-8; header=present"
JSON_TYPE = "application/json"

_PART = 32 * 1024
# What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS = (
    "allocation",
    "display_name",
    "owner",
    "machine",
    "machine_version",
    "resource_class",
    "state",
    "create_time",
    "delete_time",
    "start_time",
    "end_time",
    "life_seconds",
    "uptime_seconds",
    "downtime_seconds",
    "unknown_seconds",
    "off_seconds",
    "availability",
    "failure_count",
    *(f"{kind.value.lower()}_seconds" for kind in Kind),
)


async def csv_of(report: Report) -> AsyncIterator[bytes]:
    """A line of names, then a line for each allocation, in parts of some kilobytes."""
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(_COLUMNS)
    async for allocation, usage in report.lives:
        row = _row(allocation, usage)
        lines.writerow([_cell(row[column]) for column in _COLUMNS])
        if text.tell() >= _PART:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


async def json_of(report: Report) -> AsyncIterator[bytes]:
    """One object with the window, `allocations` and their `total`, in parts of some kilobytes."""
    text = bytearray(b"{")
    text += b'"startTime":%b,' % _json(_window_start(report.window))
    text += b'"endTime":%b,"allocations":[' % _json(rfc3339(report.window.end))
    total, comma = Usage(), b""
    async for allocation, usage in report.lives:
        total += usage
        row = {_camel(name): value for name, value in _row(allocation, usage).items()}
        text += comma + b"\n" + _json({k: v for k, v in row.items() if v not in ("", None)})
        comma = b","
        if len(text) >= _PART:
            yield bytes(text)
            text.clear()
    sums = {_camel(name): value for name, value in _sums(total).items() if value is not None}
    yield bytes(text) + b'\n],"total":%b}\n' % _json(sums)


def _window_start(window: Window) -> str | None:
    """When the report begins; nothing where it begins with the first allocation."""
    return rfc3339(window.start) if window.start.timestamp() > 0 else None


def _row(allocation: Allocation, usage: Usage) -> Mapping[str, Any]:
    return {
        "allocation": allocation.name,
        "display_name": allocation.display_name,
        "owner": allocation.owner,
        "machine": allocation.machine,
        "machine_version": allocation.machine_version,
        "resource_class": allocation.resource_class,
        "state": allocation.state.value,
        "create_time": _time(allocation.create_time),
        "delete_time": _time(allocation.delete_time),
        "start_time": _time(usage.start),
        "end_time": _time(usage.end),
        **_sums(usage),
    }


def _sums(usage: Usage) -> Mapping[str, Any]:
    return {
        "life_seconds": usage.life / 1000,
        "uptime_seconds": usage.up / 1000,
        "downtime_seconds": usage.down / 1000,
        "unknown_seconds": usage.unknown / 1000,
        "off_seconds": usage.off / 1000,
        "availability": usage.availability,
        "failure_count": usage.failures,
        **{f"{kind.value.lower()}_seconds": usage.of_kind(kind) / 1000 for kind in Kind},
    }


def _time(instant: datetime | None) -> str:
    return "" if instant is None else rfc3339(instant)


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def _json(value: Any) -> bytes:
    return orjson.dumps(value)
