"""Renting, and what happens to what is rented."""

from __future__ import annotations

import sys
import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allocctl.failures import Failure
from allocctl.names import full_name
from allocctl.output import Format, Output

if TYPE_CHECKING:
    from allocator.allocations.v1 import allocation_pb2

Names = Annotated[
    list[str], typer.Argument(help="Which allocations: their names, or what you call them.")
]
Name = Annotated[str, typer.Argument(help="Which allocation: its name, or what you call it.")]
Wait = Annotated[bool, typer.Option(help="Wait until it is done, and show the progress.")]
_WAIT_SECONDS = 1800.0


def allocate(
    machine: Annotated[str, typer.Argument(help="Which machine: its name in the catalogue.")],
    variable: Annotated[
        list[str] | None,
        typer.Option("--var", "-v", help="A variable, KEY=VALUE; again for each."),
    ] = None,
    name: Annotated[str, typer.Option(help="Your own name for it.")] = "",
    wait: Wait = True,
    output: Output = Format.TABLE,
) -> None:
    """Rents a machine, and prints where it answers."""
    from allocator.allocations.v1 import allocation_pb2, allocation_service_pb2

    from allocctl import session

    values = []
    for given in variable or ():
        key, equals, value = given.partition("=")
        if not equals:
            raise Failure(f"--var takes KEY=VALUE, not {given!r}.")
        values.append(allocation_pb2.VariableValue(key=key, value=value))
    rented = _stub().CreateAllocation(
        allocation_service_pb2.CreateAllocationRequest(
            allocation=allocation_pb2.Allocation(
                machine=f"machines/{machine.removeprefix('machines/')}",
                display_name=name,
                variables=values,
            ),
            request_id=str(uuid.uuid4()),
        ),
        timeout=session.CALL_SECONDS,
        metadata=session.signed_in(),
    )
    for one in rented.variables:
        if one.secret and one.value:
            # Made by the server for want of one; nobody is told again.
            sys.stderr.write(
                f"{one.key}={one.value} was made for you; keep it: it is told only now\n"
            )
    _finish(rented, {"READY"}, wait=wait, output=output)


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
    from allocator.allocations.v1 import allocation_service_pb2

    from allocctl import session
    from allocctl.output import age, print_json, print_table

    request = allocation_service_pb2.ListAllocationsRequest(
        parent="users/-" if everybody else "", filter=filter_, page_size=1000
    )
    listed: list[allocation_pb2.Allocation] = []
    while True:
        page = _stub().ListAllocations(
            request, timeout=session.CALL_SECONDS, metadata=session.signed_in()
        )
        listed += page.allocations
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    if output is Format.JSON:
        print_json(listed)
        return
    print_table(
        ("NAME", "MACHINE", "STATE", "ADDRESS", "AGE", "CALLED", *(["OWNER"] if everybody else [])),
        (
            (
                _short(one),
                one.machine.removeprefix("machines/"),
                _state(one).lower(),
                _address(one),
                age(one.create_time),
                one.display_name,
                *([one.owner] if everybody else []),
            )
            for one in listed
        ),
        "Nothing is rented. `allocctl machines` shows what there is.",
    )


def inspect(name: Name, output: Output = Format.TABLE) -> None:
    """Shows all that is known of an allocation and the instance behind it."""
    from allocator.allocations.v1 import allocation_service_pb2

    from allocctl import session
    from allocctl.output import print_json, print_table

    found = _stub().InspectAllocation(
        allocation_service_pb2.InspectAllocationRequest(name=full_name(name)),
        timeout=session.CALL_SECONDS,
        metadata=session.signed_in(),
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
        ("state", _state(one).lower()),
        ("why", one.state_reason.message),
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


def start(names: Names, wait: Wait = True, output: Output = Format.TABLE) -> None:
    """Starts stopped or failed allocations."""
    _each("StartAllocation", names, {"READY"}, wait=wait, output=output)


def restart(names: Names, wait: Wait = True, output: Output = Format.TABLE) -> None:
    """Stops the program and starts it again."""
    _each("RestartAllocation", names, {"READY"}, wait=wait, output=output)


def remove(names: Names, wait: Wait = True, output: Output = Format.TABLE) -> None:
    """Removes allocations with their files, for good."""
    _each("DeleteAllocation", names, {"DELETED"}, wait=wait, output=output)


def _each(method: str, names: list[str], wanted: set[str], *, wait: bool, output: Format) -> None:
    from allocator.allocations.v1 import allocation_service_pb2

    from allocctl import session

    for name in names:
        request = getattr(allocation_service_pb2, f"{method}Request")(name=full_name(name))
        answer = getattr(_stub(), method)(
            request, timeout=session.CALL_SECONDS, metadata=session.signed_in()
        )
        _finish(answer, wanted, wait=wait, output=output)


def _finish(
    allocation: allocation_pb2.Allocation, wanted: set[str], *, wait: bool, output: Format
) -> None:
    """Waits where that is wished, then prints what the allocation is.

    Raises:
        Failure: it has failed instead.
    """
    from allocctl.output import print_json

    if wait and _state(allocation) not in wanted:
        allocation = _until(allocation, wanted)
    if output is Format.JSON:
        print_json(allocation)
    else:
        address = _address(allocation)
        at = f" at {address}" if address != "-" and _state(allocation) == "READY" else ""
        sys.stdout.write(f"{_short(allocation)} is {_state(allocation).lower()}{at}\n")
    if _state(allocation) == "FAILED":
        why = allocation.state_reason
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
            line.update(f"{_short(allocation)}: {allocation.progress or state.lower()}")
            if state in wanted or (state == "FAILED" and not was_failed):
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


def _address(allocation: allocation_pb2.Allocation) -> str:
    return f"{allocation.host}:{allocation.port}" if allocation.port else "-"
