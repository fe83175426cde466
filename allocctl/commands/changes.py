"""What becomes of an allocation: its estimate before, its changes, its place in the queue."""

from __future__ import annotations

import sys
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allocctl.commands.allocations import Name, Names, Wait, call, finish, variables
from allocctl.failures import EXIT_FAILED, Failure
from allocctl.names import full_name
from allocctl.output import Format, Output
from allocctl.plans import Expires, Idle, RestartWish, ScheduleLines, Then, Zone, put_plan

if TYPE_CHECKING:
    from allocator.allocations.v1 import allocation_service_pb2


def estimate(
    machine: Annotated[str, typer.Argument(help="Which machine: its name in the catalogue.")],
    output: Output = Format.TABLE,
) -> None:
    """Tells what would come of renting a machine now; fails where it could not run now."""
    from allocator.allocations.v1 import allocation_service_pb2

    from allocctl.output import print_json

    full = f"machines/{machine.removeprefix('machines/')}"
    answer = call(
        "EstimateAllocation", allocation_service_pb2.EstimateAllocationRequest(machine=full)
    )
    if output is Format.JSON:
        print_json(answer)
    else:
        _print_estimate(answer)
    if not answer.can_run_now:
        sys.exit(EXIT_FAILED)


def _print_estimate(answer: allocation_service_pb2.EstimateAllocationResponse) -> None:
    from allocctl.amounts import amounts_text
    from allocctl.output import price_text, print_table

    later = "once there is room" if answer.can_ever_run else "never"
    rows = [
        ("can run", "now" if answer.can_run_now else later),
        *(("because", one.message) for one in answer.obstacles),
        ("queue", _queue_text(answer) if answer.HasField("queue") else ""),
        ("price", price_text(answer.price_per_hour)),
        ("class", answer.resource_class),
        ("takes", amounts_text(answer.needs)),
        ("left", amounts_text(answer.left)),
    ]
    print_table(("WHAT", "IS"), [row for row in rows if row[1]], "")


def _queue_text(answer: allocation_service_pb2.EstimateAllocationResponse) -> str:
    from allocctl.output import until

    place = answer.queue
    expected = until(place.expected_time) if place.HasField("expected_time") else "not known"
    return f"it would be number {place.position} of {place.length}; expected wait: {expected}"


def update(
    name: Name,
    called: Annotated[
        str | None, typer.Option("--name", help="Your own name for it; empty for the machine's.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", "-l", help="A label, KEY=VALUE, or KEY= to take it away; again."),
    ] = None,
    resource_class: Annotated[
        str, typer.Option("--class", help="Another resource class, from the next start on.")
    ] = "",
    expires: Expires = "",
    then: Then = None,
    idle: Idle = "",
    schedule: ScheduleLines = None,
    time_zone: Zone = "",
    restart: RestartWish = None,
    output: Output = Format.TABLE,
) -> None:
    """Changes what an allocation is called, when it ends, rests and wakes, and its size."""
    from allocator.allocations.v1 import allocation_pb2, allocation_service_pb2
    from google.protobuf import field_mask_pb2

    from allocctl.output import print_json, print_table
    from allocctl.plans import plan_rows

    full = full_name(name)
    allocation = allocation_pb2.Allocation(name=full)
    paths = put_plan(
        allocation,
        expires=expires,
        then=then,
        idle=idle,
        schedule=schedule or (),
        zone=time_zone,
        restart=restart,
        now=datetime.now().astimezone(),
    )
    if called is not None:
        allocation.display_name = called
        paths.append("display_name")
    if label:
        before = call("GetAllocation", allocation_service_pb2.GetAllocationRequest(name=full))
        allocation.labels.update(before.labels)
        # So that a label of somebody who writes at the same time is not lost.
        allocation.etag = before.etag
        _put_labels(allocation, label)
        paths.append("labels")
    if resource_class:
        allocation.resource_class = resource_class
        paths.append("resource_class")
    if not paths:
        raise Failure("Say what shall change; `allocctl update --help` shows what can.")
    changed = call(
        "UpdateAllocation",
        allocation_service_pb2.UpdateAllocationRequest(
            allocation=allocation, update_mask=field_mask_pb2.FieldMask(paths=paths)
        ),
    )
    if output is Format.JSON:
        print_json(changed)
        return
    rows = [
        ("name", changed.name),
        ("called", changed.display_name),
        ("labels", ", ".join(f"{key}={value}" for key, value in sorted(changed.labels.items()))),
        ("class", changed.resource_class),
        *plan_rows(changed),
    ]
    print_table(("WHAT", "IS"), [row for row in rows if row[1]], "")


def _put_labels(allocation: Any, labels: list[str]) -> None:
    for given in labels:
        key, equals, value = given.partition("=")
        if not equals:
            raise Failure(f"--label takes KEY=VALUE, not {given!r}.")
        if value:
            allocation.labels[key] = value
        else:
            allocation.labels.pop(key, None)


def cancel(names: Names, output: Output = Format.TABLE) -> None:
    """Takes waiting allocations out of the queue."""
    from allocator.allocations.v1 import allocation_service_pb2

    for name in names:
        request = allocation_service_pb2.CancelAllocationRequest(name=full_name(name))
        finish(call("CancelAllocation", request), {"DELETED", "STOPPED"}, wait=False, output=output)


def recreate(
    names: Names,
    variable: Annotated[
        list[str] | None,
        typer.Option("--var", "-v", help="A new value of a variable, KEY=VALUE; again for each."),
    ] = None,
    wait: Wait = True,
    output: Output = Format.TABLE,
) -> None:
    """Makes instances anew from the newest version of their machine; what stays keeps its files and address."""
    from allocator.allocations.v1 import allocation_service_pb2

    for name in names:
        request = allocation_service_pb2.RecreateAllocationRequest(
            name=full_name(name), variables=variables(variable), request_id=str(uuid.uuid4())
        )
        answer = call("RecreateAllocation", request)
        finish(answer, {"READY", "STOPPED"}, wait=wait, output=output)


queue = typer.Typer(help="What waits for room (admins).", no_args_is_help=True)


@queue.command("list")
def list_queue(output: Output = Format.TABLE) -> None:
    """Lists what waits, in the order in which it gets room."""
    from allocctl.commands.allocations import listed
    from allocctl.output import age, print_json, print_table, until

    waiting = listed("users/-", "state = PENDING")
    waiting.sort(key=lambda one: one.queue.position or sys.maxsize)
    if output is Format.JSON:
        print_json(waiting)
        return
    print_table(
        ("PLACE", "NAME", "MACHINE", "OWNER", "WAITS FOR", "SINCE", "EXPECTED", "UNTIL"),
        (
            (
                str(one.queue.position or "-"),
                one.name.removeprefix("allocations/"),
                one.machine.removeprefix("machines/"),
                one.owner,
                one.queue.waiting_for.message or "-",
                age(one.state_time),
                until(one.queue.expected_time) if one.queue.HasField("expected_time") else "?",
                until(one.queue.deadline) if one.queue.HasField("deadline") else "-",
            )
            for one in waiting
        ),
        "Nobody waits.",
    )


@queue.command("move")
def move(
    name: Annotated[str, typer.Argument(help="Which allocation: allocations/7f3k2m9q.")],
    position: Annotated[int, typer.Argument(min=1, help="Where to; 1 is the next one.")] = 1,
) -> None:
    """Puts a waiting allocation at a place of the queue."""
    from allocator.allocations.v1 import allocation_service_pb2

    full = name if "/" in name else f"allocations/{name}"
    request = allocation_service_pb2.PrioritizeAllocationRequest(name=full, position=position)
    moved = call("PrioritizeAllocation", request)
    sys.stdout.write(f"{moved.name} is number {moved.queue.position} of {moved.queue.length}\n")
