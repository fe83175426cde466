"""Why it is so: the timeline of an allocation, and what admins did."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from allocctl.names import full_name
from allocctl.output import Format, Output

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

audit_app = typer.Typer(help="What admins did: for admins.", no_args_is_help=True)

Filter = Annotated[
    str,
    typer.Option(
        "--filter", help='Which ones: actor = "users/a1b2", time >= "2026-03-01T00:00:00Z".'
    ),
]
Most = Annotated[int, typer.Option("--newest", "-n", min=0, help="So many of the newest; 0: all.")]


def timeline(
    name: Annotated[str, typer.Argument(help="Which allocation: its name, or what you call it.")],
    newest: Most = 100,
    output: Output = Format.TABLE,
) -> None:
    """Shows what has happened to an allocation and who has done it, the oldest first."""
    from allocator.timeline.v1 import timeline_service_pb2, timeline_service_pb2_grpc

    from allocctl.calls import listed
    from allocctl.output import print_json, print_table

    found = list(
        listed(
            timeline_service_pb2_grpc.TimelineServiceStub,
            "ListEvents",
            timeline_service_pb2.ListEventsRequest(parent=full_name(name)),
            "events",
            newest,
        )
    )[::-1]
    if output is Format.JSON:
        print_json(found)
        return
    print_table(
        ("TIME", "WHAT"),
        ((_time(one.time), one.text) for one in found),
        "Nothing has happened to it, or it was too long ago.",
    )


@audit_app.command("list")
def audit_list(filter_: Filter = "", newest: Most = 100, output: Output = Format.TABLE) -> None:
    """Lists what admins did, the newest first."""
    from allocator.timeline.v1 import audit_service_pb2, audit_service_pb2_grpc

    from allocctl.calls import listed
    from allocctl.output import print_json, print_table

    found = listed(
        audit_service_pb2_grpc.AuditServiceStub,
        "ListAuditEvents",
        audit_service_pb2.ListAuditEventsRequest(filter=filter_),
        "audit_events",
        newest,
    )
    if output is Format.JSON:
        print_json(list(found))
        return
    print_table(
        ("TIME", "WHAT", "BY", "CALL"),
        ((_time(one.time), one.text, one.actor, one.method.rpartition("/")[2]) for one in found),
        "Admins have done nothing that this asks for.",
    )


@audit_app.command("export")
def audit_export(filter_: Filter = "") -> None:
    """Writes all that admins did to standard output: one JSON object a line, the oldest first."""
    import orjson
    from allocator.timeline.v1 import audit_service_pb2, audit_service_pb2_grpc
    from google.protobuf.json_format import MessageToDict

    from allocctl import session

    # As long as it takes: each part has come before the next is asked for.
    answers = session.stub(audit_service_pb2_grpc.AuditServiceStub).ExportAuditEvents(
        audit_service_pb2.ExportAuditEventsRequest(filter=filter_),
        metadata=session.signed_in(),
    )
    for answer in answers:
        event = MessageToDict(answer.audit_event, always_print_fields_with_no_presence=True)
        sys.stdout.write(orjson.dumps(event).decode() + "\n")


def _time(time: Timestamp) -> str:
    return f"{time.ToDatetime():%Y-%m-%d %H:%M:%S}Z"
