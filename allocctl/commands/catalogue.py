"""The catalogue."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from allocctl.output import Format, Output


def machines(
    name: Annotated[str, typer.Argument(help="One machine, in detail.")] = "",
    filter_: Annotated[
        str, typer.Option("--filter", help='Which ones: title : "redis", state = ACTIVE.')
    ] = "",
    output: Output = Format.TABLE,
) -> None:
    """Shows what can be rented."""
    from allocator.machines.v1 import machine_pb2, machine_service_pb2, machine_service_pb2_grpc

    from allocctl import session
    from allocctl.output import print_json, print_table

    stub = session.stub(machine_service_pb2_grpc.MachineServiceStub)
    metadata = session.signed_in() if session.load() else ()
    if name:
        found = stub.GetMachine(
            machine_service_pb2.GetMachineRequest(
                name=f"machines/{name.removeprefix('machines/')}"
            ),
            timeout=session.CALL_SECONDS,
            metadata=metadata,
        )
        _show(found, output)
        return
    listed: list[machine_pb2.Machine] = []
    request = machine_service_pb2.ListMachinesRequest(filter=filter_, page_size=1000)
    while True:
        page = stub.ListMachines(request, timeout=session.CALL_SECONDS, metadata=metadata)
        listed += page.machines
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    if output is Format.JSON:
        print_json(listed)
        return
    print_table(
        ("MACHINE", "TITLE", "STATE", "PORTS", "CLASS", "AVAILABILITY"),
        (
            (
                one.name.removeprefix("machines/"),
                one.title,
                machine_pb2.Machine.State.Name(one.state).lower(),
                ", ".join(str(port.number) for port in one.ports) or "-",
                one.resource_class or "-",
                machine_pb2.Machine.Availability.Name(one.availability).lower().replace("_", " "),
            )
            for one in listed
        ),
        "The catalogue is empty.",
    )


def _show(machine: object, output: Format) -> None:
    from allocator.machines.v1 import machine_pb2

    from allocctl.output import print_json, print_table

    assert isinstance(machine, machine_pb2.Machine)
    if output is Format.JSON:
        print_json(machine)
        return
    sys.stdout.write(f"{machine.title}\n\n{machine.description.strip()}\n\n")
    print_table(
        ("VARIABLE", "REQUIRED", "DEFAULT", "WHAT"),
        (
            (
                one.key,
                "yes" if one.required else "no",
                "********" if one.secret and one.default_value else one.default_value or "-",
                one.title or one.description,
            )
            for one in machine.variables
        ),
        "It takes no variables.",
    )
