"""Dead letters: facts that a service could not take in. For admins."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from allocctl.failures import Failure
from allocctl.output import Format, Output, age, print_json, print_table

app = typer.Typer(help="Facts that a service could not take in: for admins.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Which one, as `allocctl dead-letters list` shows it.")]
_COLLECTION = "deadLetters"


@app.command("list")
def list_letters(
    filter_: Annotated[
        str,
        typer.Option("--filter", help='Which ones: group = "broker.directory", reason = "…".'),
    ] = "",
    output: Output = Format.TABLE,
) -> None:
    """Lists dead letters."""
    from allocator.timeline.v1 import dead_letter_service_pb2, dead_letter_service_pb2_grpc

    from allocctl.calls import listed

    found = listed(
        dead_letter_service_pb2_grpc.DeadLetterServiceStub,
        "ListDeadLetters",
        dead_letter_service_pb2.ListDeadLettersRequest(filter=filter_),
        "dead_letters",
    )
    if output is Format.JSON:
        print_json(list(found))
        return
    print_table(
        ("NAME", "GROUP", "ABOUT", "TYPE", "REASON", "AGE", ""),
        (
            (
                one.name.partition("/")[2],
                one.group,
                one.key,
                one.type.rpartition(".")[2],
                one.reason,
                age(one.fail_time),
                "is taken in again" if one.replaying else "",
            )
            for one in found
        ),
        "There are no dead letters.",
    )


@app.command("show")
def show(name: Name, output: Output = Format.TABLE) -> None:
    """Shows one with what it says."""
    import orjson
    from allocator.timeline.v1 import dead_letter_service_pb2, dead_letter_service_pb2_grpc
    from google.protobuf.json_format import MessageToDict

    from allocctl.calls import call, named

    one = call(
        dead_letter_service_pb2_grpc.DeadLetterServiceStub,
        "GetDeadLetter",
        dead_letter_service_pb2.GetDeadLetterRequest(name=named(_COLLECTION, name)),
    )
    if output is Format.JSON:
        print_json(one)
        return
    rows = [
        ("name", one.name),
        ("group", one.group),
        ("about", one.key),
        ("type", one.type),
        ("reason", one.reason),
        ("why", one.message),
        ("attempts", str(one.attempts)),
        ("failed", f"{one.fail_time.ToDatetime():%Y-%m-%d %H:%M:%S}Z"),
        ("caused by", " ".join(part for part in (one.actor, one.method) if part)),
        ("trace", one.trace_id),
    ]
    print_table(("", ""), (row for row in rows if row[1]), "")
    if one.raw_content:
        sys.stdout.write(f"{len(one.raw_content)} bytes that this version cannot read.\n")
    else:
        content = orjson.dumps(MessageToDict(one.content), option=orjson.OPT_INDENT_2)
        sys.stdout.write(content.decode() + "\n")


@app.command("replay")
def replay(
    names: Annotated[list[str] | None, typer.Argument(help="Which ones; none with --all.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that there are.")] = False,
    group: Annotated[str, typer.Option(help="With --all: those of this group alone.")] = "",
) -> None:
    """Has dead letters taken in again."""
    from allocator.timeline.v1 import dead_letter_service_pb2, dead_letter_service_pb2_grpc

    from allocctl.calls import call, named

    stub = dead_letter_service_pb2_grpc.DeadLetterServiceStub
    if bool(names) == everything:
        raise Failure("Name dead letters, or give --all.")
    if everything:
        request = dead_letter_service_pb2.ReplayAllDeadLettersRequest(group=group)
        count = call(stub, "ReplayAllDeadLetters", request).replaying_count
        sys.stdout.write(f"{count} are taken in again.\n")
        return
    for name in names or ():
        full = named(_COLLECTION, name)
        one = dead_letter_service_pb2.ReplayDeadLetterRequest(name=full)
        call(stub, "ReplayDeadLetter", one)
        sys.stdout.write(f"{full} is taken in again.\n")


@app.command("discard")
def discard(
    names: Annotated[list[str], typer.Argument(help="Which ones.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Throws dead letters away for good: what they tell is never taken in."""
    from allocator.timeline.v1 import dead_letter_service_pb2, dead_letter_service_pb2_grpc

    from allocctl.calls import call, named

    if not yes:
        typer.confirm(f"Throw {len(names)} away for good?", abort=True)
    for name in names:
        full = named(_COLLECTION, name)
        call(
            dead_letter_service_pb2_grpc.DeadLetterServiceStub,
            "DeleteDeadLetter",
            dead_letter_service_pb2.DeleteDeadLetterRequest(name=full),
        )
        sys.stdout.write(f"{full} is thrown away.\n")
