"""What allocations were, and for how long."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allocctl.commands.allocations import call
from allocctl.names import full_name
from allocctl.output import Format, Output
from allocctl.spans import span_of, span_text

if TYPE_CHECKING:
    from allocator.allocations.v1 import usage_pb2
    from google.protobuf.duration_pb2 import Duration


class Report(StrEnum):
    """How a report is written."""

    CSV = "csv"
    JSON = "json"


_MOST_ROWS = 20


def usage(
    name: Annotated[
        str,
        typer.Argument(
            help="An allocation: its name, or what you call it; a machine, machines/redis; a report of "
            "all of yours where nothing is named."
        ),
    ] = "",
    since: Annotated[
        str, typer.Option(help="Of the time since then: 24h, 7d; all by default.")
    ] = "",
    report: Annotated[
        Report | None, typer.Option(help="Write the report of whole records to standard output.")
    ] = None,
    everybody: Annotated[
        bool, typer.Option("--everybody", help="In the report, of all people: admins only.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Tells how long something was ready, starting, stopped and failed, and how available it was."""
    from allocator.allocations.v1 import usage_pb2

    from allocctl.output import print_json

    start = datetime.now(UTC) - span_of(since) if since else None
    if report is not None or not name:
        _report(name, start, report or Report.CSV, everybody=everybody)
        return
    request: Any
    if name.startswith("machines/"):
        request = usage_pb2.GetMachineUsageRequest(name=f"{name}/usage")
    else:
        request = usage_pb2.GetAllocationUsageRequest(
            name=f"{full_name(name)}/usage", page_size=1000 if output is Format.JSON else _MOST_ROWS
        )
    if start:
        request.start_time.FromDatetime(start)
    kind = "Machine" if name.startswith("machines/") else "Allocation"
    answer = call(f"Get{kind}Usage", request)
    if output is Format.JSON:
        print_json(answer)
        return
    _print_total(answer)
    if kind == "Allocation":
        sys.stdout.write("\n")
        _print_intervals(answer)


def _report(name: str, start: datetime | None, report: Report, *, everybody: bool) -> None:
    """Writes the report of one allocation, of the caller's, or of everybody's."""
    from allocator.allocations.v1 import allocation_service_pb2_grpc, usage_pb2

    from allocctl import session
    from allocctl.transfers import STANDARD, TRANSFER_SECONDS, receive

    request = usage_pb2.DownloadUsageReportRequest(
        parent="users/-" if everybody else "",
        allocation=full_name(name) if name else "",
        format=usage_pb2.DownloadUsageReportRequest.Format.Value(report.name),
    )
    if start:
        request.start_time.FromDatetime(start)
    stub = session.stub(allocation_service_pb2_grpc.AllocationServiceStub)
    receive(
        stub.DownloadUsageReport(request, timeout=TRANSFER_SECONDS, metadata=session.signed_in()),
        STANDARD,
        "usage",
    )


def _print_total(answer: Any) -> None:
    from allocctl.output import print_table

    total: usage_pb2.Usage = answer.total
    share = f"{100 * total.availability:.2f} %" if total.HasField("availability") else "-"
    rows = [
        ("availability", share),
        ("up", _span(total.uptime)),
        ("down", _span(total.downtime)),
        ("not known", _span(total.unknown_time)),
        ("off", _span(total.off_time)),
        ("life", _span(total.life)),
        ("failures", str(total.failure_count)),
    ]
    if hasattr(answer, "allocation_count"):
        rows.append(("allocations", str(answer.allocation_count)))
    rows += [(_kind(one.kind), _span(one.duration)) for one in total.kinds]
    print_table(("WHAT", "IS"), rows, "")


def _print_intervals(answer: usage_pb2.AllocationUsage) -> None:
    from allocctl.output import print_table

    print_table(
        ("FROM", "FOR", "WAS"),
        (
            (
                f"{one.start_time.ToDatetime(tzinfo=UTC).astimezone():%Y-%m-%d %H:%M:%S}",
                f"{_span(one.duration)}{' so far' if one.open else ''}",
                _kind(one.kind),
            )
            for one in answer.intervals
        ),
        "Nothing is known of that time.",
    )
    if answer.next_page_token:
        sys.stderr.write(f"Only the latest {_MOST_ROWS}; the report has all: --report csv.\n")


def _kind(kind: usage_pb2.Usage.Kind.ValueType) -> str:
    from allocator.allocations.v1 import usage_pb2

    return usage_pb2.Usage.Kind.Name(kind).lower()


def _span(duration: Duration) -> str:
    seconds = duration.ToTimedelta().total_seconds()
    return span_text(seconds) if seconds >= 1 or not seconds else f"{seconds:.2f}s"
