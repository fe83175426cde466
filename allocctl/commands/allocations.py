"""Renting, and what happens to what is rented."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allocctl.failures import Failure
from allocctl.names import full_name
from allocctl.output import Format, Output
from allocctl.plans import Expires, Idle, RestartWish, ScheduleLines, Then, Zone, put_plan

if TYPE_CHECKING:
    from allocator.allocations.v1 import allocation_pb2, volume_pb2

Names = Annotated[
    list[str], typer.Argument(help="Which allocations: their names, or what you call them.")
]
Name = Annotated[str, typer.Argument(help="Which allocation: its name, or what you call it.")]
Wait = Annotated[bool, typer.Option(help="Wait until it is done, and show the progress.")]
WhenFull = Annotated[
    bool,
    typer.Option("--wait-when-full", help="Where there is no room, wait for it in the queue."),
]
MaxWait = Annotated[str, typer.Option("--max-wait", help="For how long at most, then: 30m.")]
_WAIT_SECONDS = 1800.0
_OVER = frozenset({"DELETED"})


def allocate(
    machine: Annotated[str, typer.Argument(help="Which machine: its name in the catalogue.")],
    variable: Annotated[
        list[str] | None,
        typer.Option("--var", "-v", help="A variable, KEY=VALUE; again for each."),
    ] = None,
    volume: Annotated[
        list[str] | None,
        typer.Option(
            "--volume",
            help="A detached volume of yours for a path, /data=volumes/…; again for each.",
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Your own name for it.")] = "",
    wait_when_full: WhenFull = False,
    max_wait: MaxWait = "",
    expires: Expires = "",
    then: Then = None,
    idle: Idle = "",
    schedule: ScheduleLines = None,
    time_zone: Zone = "",
    restart: RestartWish = None,
    wait: Wait = True,
    output: Output = Format.TABLE,
) -> None:
    """Rents a machine, and prints where it answers."""
    from allocator.allocations.v1 import allocation_pb2, allocation_service_pb2

    allocation = allocation_pb2.Allocation(
        machine=f"machines/{machine.removeprefix('machines/')}",
        display_name=name,
        variables=variables(variable),
        volumes=_volumes(volume),
    )
    put_plan(
        allocation,
        expires=expires,
        then=then,
        idle=idle,
        schedule=schedule or (),
        zone=time_zone,
        restart=restart,
        now=datetime.now().astimezone(),
    )
    request = allocation_service_pb2.CreateAllocationRequest(
        allocation=allocation, request_id=str(uuid.uuid4())
    )
    _put_wait(request, wait_when_full=wait_when_full, max_wait=max_wait)
    rented = call("CreateAllocation", request)
    for one in rented.variables:
        if one.secret and one.value:
            # Made by the server for want of one; nobody is told again.
            sys.stderr.write(
                f"{one.key}={one.value} was made for you; keep it: it is told only now\n"
            )
    finish(rented, {"READY"}, wait=wait, output=output)


def variables(given: Sequence[str] | None) -> list[allocation_pb2.VariableValue]:
    """The values that options of the form KEY=VALUE give.

    Raises:
        Failure: one has another form.
    """
    from allocator.allocations.v1 import allocation_pb2

    values = []
    for one in given or ():
        key, equals, value = one.partition("=")
        if not equals:
            raise Failure(f"--var takes KEY=VALUE, not {one!r}.")
        values.append(allocation_pb2.VariableValue(key=key, value=value))
    return values


def _volumes(given: Sequence[str] | None) -> list[volume_pb2.AllocationVolume]:
    from allocator.allocations.v1 import volume_pb2

    volumes = []
    for one in given or ():
        path, equals, volume = one.partition("=")
        if not equals or not volume:
            raise Failure(f"--volume takes PATH=VOLUME, not {one!r}.")
        full = f"volumes/{volume.removeprefix('volumes/')}"
        volumes.append(volume_pb2.AllocationVolume(path=path, volume=full))
    return volumes


def _put_wait(request: Any, *, wait_when_full: bool, max_wait: str) -> None:
    """Says in a request whether it waits where there is no room."""
    from allocator.allocations.v1 import allocation_service_pb2

    from allocctl.spans import span_of

    if wait_when_full:
        request.when_full = allocation_service_pb2.WAIT
        if max_wait:
            request.max_wait.FromTimedelta(span_of(max_wait))
    elif max_wait:
        raise Failure("--max-wait belongs to --wait-when-full.")


def list_allocations(
    everybody: Annotated[
        bool, typer.Option("--everybody", help="Of all people: admins only.")
    ] = False,
    filter_: Annotated[
        str, typer.Option("--filter", help='Which ones: state = READY, machine = "machines/redis".')
    ] = "",
    output: Output = Format.TABLE,
) -> None:
    """Lists what you have rented."""
    from allocctl.output import age, print_json, print_table

    found = listed("users/-" if everybody else "", filter_)
    if output is Format.JSON:
        print_json(found)
        return
    print_table(
        ("NAME", "MACHINE", "STATE", "ADDRESS", "AGE", "CALLED", *(["OWNER"] if everybody else [])),
        (
            (
                _short(one),
                one.machine.removeprefix("machines/"),
                _state_text(one),
                _address(one),
                age(one.create_time),
                one.display_name,
                *([one.owner] if everybody else []),
            )
            for one in found
        ),
        "Nothing is rented. `allocctl machines` shows what there is.",
    )


def listed(parent: str, filter_: str) -> list[allocation_pb2.Allocation]:
    """Every allocation of a parent that fits a filter."""
    from allocator.allocations.v1 import allocation_service_pb2

    request = allocation_service_pb2.ListAllocationsRequest(
        parent=parent, filter=filter_, page_size=1000
    )
    found: list[allocation_pb2.Allocation] = []
    while True:
        page = call("ListAllocations", request)
        found += page.allocations
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return found


def inspect(name: Name, output: Output = Format.TABLE) -> None:
    """Shows all that is known of an allocation and the instance behind it."""
    from allocator.allocations.v1 import allocation_service_pb2

    from allocctl.output import price_text, print_json, print_table
    from allocctl.plans import plan_rows

    found = call(
        "InspectAllocation", allocation_service_pb2.InspectAllocationRequest(name=full_name(name))
    )
    if output is Format.JSON:
        print_json(found)
        return
    one = found.allocation
    rows = [
        ("name", one.name),
        ("called", one.display_name),
        ("owner", one.owner),
        ("machine", f"{one.machine}, version {one.machine_version}"),
        ("newer version", str(one.newer_machine_version or "")),
        ("state", _state_text(one)),
        ("why", one.state_reason.message),
        *plan_rows(one),
        ("price", price_text(one.price_per_hour)),
        ("class", one.resource_class),
        ("labels", ", ".join(f"{key}={value}" for key, value in sorted(one.labels.items()))),
        ("volumes", ", ".join(f"{v.path}={v.volume}" for v in one.volumes)),
        ("node", one.node.removeprefix("nodes/") or found.node),
        ("address", _address(one)),
        ("runtime", found.runtime),
        ("instance", found.instance),
        ("instance state", found.instance_state.lower()),
        ("image", found.image),
        ("generation", f"{one.generation}, incarnation {found.incarnation}"),
        (
            "limits",
            f"{found.cpu_millis / 1000:g} cores, {found.memory_bytes >> 20} MiB, "
            f"{found.pids} processes",
        ),
        (
            "variables",
            ", ".join(f"{v.key}={'********' if v.secret else v.value}" for v in one.variables),
        ),
    ]
    print_table(("WHAT", "IS"), [row for row in rows if row[1]], "")


def stop(names: Names, wait: Wait = True, output: Output = Format.TABLE) -> None:
    """Stops allocations; files and address stay."""
    _each("StopAllocation", names, {"STOPPED"}, wait=wait, output=output)


def start(
    names: Names,
    wait_when_full: WhenFull = False,
    max_wait: MaxWait = "",
    wait: Wait = True,
    output: Output = Format.TABLE,
) -> None:
    """Starts stopped or failed allocations."""
    from allocator.allocations.v1 import allocation_service_pb2

    for name in names:
        request = allocation_service_pb2.StartAllocationRequest(
            name=full_name(name), request_id=str(uuid.uuid4())
        )
        _put_wait(request, wait_when_full=wait_when_full, max_wait=max_wait)
        finish(call("StartAllocation", request), {"READY"}, wait=wait, output=output)


def restart(names: Names, wait: Wait = True, output: Output = Format.TABLE) -> None:
    """Stops the program and starts it again."""
    _each("RestartAllocation", names, {"READY"}, wait=wait, output=output)


def remove(
    names: Names,
    keep_volumes: Annotated[
        bool, typer.Option("--keep-volumes", help="Their volumes stay, for other allocations.")
    ] = False,
    wait: Wait = True,
    output: Output = Format.TABLE,
) -> None:
    """Removes allocations with their files, for good."""
    from allocator.allocations.v1 import allocation_service_pb2

    for name in names:
        request = allocation_service_pb2.DeleteAllocationRequest(
            name=full_name(name), keep_volumes=keep_volumes
        )
        finish(call("DeleteAllocation", request), {"DELETED"}, wait=wait, output=output)


def _each(method: str, names: list[str], wanted: set[str], *, wait: bool, output: Format) -> None:
    from allocator.allocations.v1 import allocation_service_pb2

    for name in names:
        request = getattr(allocation_service_pb2, f"{method}Request")(name=full_name(name))
        finish(call(method, request), wanted, wait=wait, output=output)


def call(method: str, request: Any) -> Any:
    """Calls a method of AllocationService as whoever is logged in."""
    from allocctl import session

    return getattr(_stub(), method)(
        request, timeout=session.CALL_SECONDS, metadata=session.signed_in()
    )


def finish(
    allocation: allocation_pb2.Allocation, wanted: set[str], *, wait: bool, output: Format
) -> None:
    """Waits where that is wished, then prints what the allocation is.

    Raises:
        Failure: it has failed instead, or waits no more.
    """
    from allocctl.output import print_json

    if wait and _state(allocation) not in wanted:
        allocation = _until(allocation, wanted)
    if output is Format.JSON:
        print_json(allocation)
    else:
        address = _address(allocation)
        at = f" at {address}" if address != "-" and _state(allocation) == "READY" else ""
        sys.stdout.write(f"{_short(allocation)} is {_state_text(allocation)}{at}\n")
    why = allocation.state_reason
    if _state(allocation) in _OVER - wanted:
        raise Failure(why.message or "It was removed meanwhile.")
    if _state(allocation) == "FAILED":
        raise Failure("\n".join([why.message, *(f"  | {line}" for line in why.last_lines[-10:])]))


def _until(allocation: allocation_pb2.Allocation, wanted: set[str]) -> allocation_pb2.Allocation:
    """Watches until it is in one of the wanted states, or has failed."""
    from allocator.allocations.v1 import allocation_service_pb2
    from rich.console import Console

    from allocctl import session

    stream = _stub().WatchAllocations(
        allocation_service_pb2.WatchAllocationsRequest(name=allocation.name),
        timeout=_WAIT_SECONDS,
        metadata=session.signed_in(),
    )
    was_failed = _state(allocation) == "FAILED"
    with Console(stderr=True).status(f"{_short(allocation)}: {_state(allocation).lower()}") as line:
        for update in stream:
            if not update.HasField("allocation"):
                continue
            allocation = update.allocation
            state = _state(allocation)
            line.update(f"{_short(allocation)}: {allocation.progress or _state_text(allocation)}")
            if state in wanted or state in _OVER or (state == "FAILED" and not was_failed):
                break
            was_failed = was_failed and state == "FAILED"
    stream.cancel()
    return allocation


def _stub() -> Any:
    from allocator.allocations.v1 import allocation_service_pb2_grpc

    from allocctl import session

    return session.stub(allocation_service_pb2_grpc.AllocationServiceStub)


def _short(allocation: allocation_pb2.Allocation) -> str:
    return allocation.name.removeprefix("allocations/")


def _state(allocation: allocation_pb2.Allocation) -> str:
    from allocator.allocations.v1 import allocation_pb2

    return str(allocation_pb2.Allocation.State.Name(allocation.state))


def _state_text(allocation: allocation_pb2.Allocation) -> str:
    """The state for people, with the place in the queue of what waits."""
    state = _state(allocation).lower()
    if allocation.HasField("queue"):
        place = allocation.queue
        return f"{state}, number {place.position} of {place.length}"
    return state


def _address(allocation: allocation_pb2.Allocation) -> str:
    return f"{allocation.host}:{allocation.port}" if allocation.port else "-"
