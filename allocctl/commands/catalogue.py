"""The catalogue."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from allocctl.failures import Failure
from allocctl.output import Format, Output

if TYPE_CHECKING:
    from allocator.machines.v1 import machine_pb2


_SHOW = "show"


class _Catalogue(TyperGroup):
    """Commands about machines; without one of them, `show`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = [_SHOW, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Catalogue, help="Shows what can be rented (`machines [NAME]`), and changes it."
)
_Name = Annotated[str, typer.Argument(help="The machine: redis, or machines/redis.")]


@app.command(_SHOW)
def machines(
    name: Annotated[str, typer.Argument(help="One machine, in detail.")] = "",
    filter_: Annotated[
        str,
        typer.Option("--filter", help='Which ones: title : "redis", tags : sql, price <= 100.'),
    ] = "",
    query: Annotated[str, typer.Option("--query", "-q", help="Words to look for.")] = "",
    order: Annotated[
        str, typer.Option("--order", help="title, create_time, price, rating, rents; with desc.")
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
            machine_service_pb2.GetMachineRequest(name=_full(name)),
            timeout=session.CALL_SECONDS,
            metadata=metadata,
        )
        _show(found, output)
        return
    listed: list[machine_pb2.Machine] = []
    request = machine_service_pb2.ListMachinesRequest(
        filter=filter_, query=query, order_by=order, page_size=1000
    )
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


@app.command("export")
def export(
    name: _Name,
    version: Annotated[int, typer.Option(help="Which version; the present one by default.")] = 0,
    file: Annotated[
        Path | None, typer.Option("--file", help="Where to; else it is printed.")
    ] = None,
) -> None:
    """Writes a machine as a YAML document."""
    from allocator.machines.v1 import machine_service_pb2

    request = machine_service_pb2.ExportMachineRequest(name=_full(name), version=version)
    document = _call("ExportMachine", request).data
    if file is None:
        sys.stdout.write(document.decode())
    else:
        file.write_bytes(document)


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="YAML documents, one machine each.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Change machines that are there already.")
    ] = False,
) -> None:
    """Adds machines from YAML documents, as drafts."""
    from allocator.machines.v1 import machine_service_pb2
    from google.api import httpbody_pb2

    for file in files:
        try:
            document = file.read_bytes()
        except OSError as error:
            raise Failure(f"{file} cannot be read: {error.strerror}.") from None
        _tell(
            _call(
                "ImportMachine",
                machine_service_pb2.ImportMachineRequest(
                    definition=httpbody_pb2.HttpBody(
                        content_type="application/yaml", data=document
                    ),
                    replace_existing=replace,
                ),
            )
        )


@app.command("schema")
def schema() -> None:
    """Prints the JSON schema of the documents."""
    from allocctl.machine_schema import schema_text

    sys.stdout.write(schema_text())


@app.command("versions")
def versions(name: _Name, output: Output = Format.TABLE) -> None:
    """Lists the versions of a machine that are kept."""
    from allocator.machines.v1 import machine_service_pb2

    from allocctl.output import age, print_json, print_table

    request = machine_service_pb2.ListMachineVersionsRequest(parent=_full(name), page_size=1000)
    found = list(_call("ListMachineVersions", request).versions)
    if output is Format.JSON:
        print_json(found)
        return
    print_table(
        ("VERSION", "AGE", "STATE", "TITLE", "IMAGE"),
        (
            (str(one.version), age(one.update_time), _state(one), one.title, one.image or "-")
            for one in found
        ),
        "There are none.",
    )


@app.command("rollback")
def rollback(name: _Name, version: Annotated[int, typer.Argument(help="Back to which.")]) -> None:
    """Makes a machine again what it was in a former version."""
    from allocator.machines.v1 import machine_service_pb2

    request = machine_service_pb2.RollbackMachineRequest(name=_full(name), version=version)
    _tell(_call("RollbackMachine", request))


@app.command("fork")
def fork(
    name: _Name,
    new: Annotated[str, typer.Argument(help="The name of the new machine.")],
    title: Annotated[str, typer.Option(help="Its title; that of the other one by default.")] = "",
) -> None:
    """Makes a draft of your own from another machine."""
    from allocator.machines.v1 import machine_service_pb2

    request = machine_service_pb2.ForkMachineRequest(
        name=_full(name), machine_id=new.removeprefix("machines/"), title=title
    )
    _tell(_call("ForkMachine", request))


@app.command("submit")
def submit(name: _Name) -> None:
    """Asks the admins to publish a draft."""
    from allocator.machines.v1 import machine_service_pb2

    _call("SubmitMachine", machine_service_pb2.SubmitMachineRequest(name=_full(name)))
    sys.stderr.write(f"{_full(name)} waits for an admin\n")


@app.command("publish")
def publish(name: _Name) -> None:
    """Puts a machine into the catalogue (admins)."""
    from allocator.machines.v1 import machine_service_pb2

    _tell(_call("PublishMachine", machine_service_pb2.PublishMachineRequest(name=_full(name))))


@app.command("reject")
def reject(
    name: _Name, why: Annotated[str, typer.Option(help="For its publisher to read.")]
) -> None:
    """Refuses a draft that was submitted (admins)."""
    from allocator.machines.v1 import machine_service_pb2

    request = machine_service_pb2.RejectMachineRequest(name=_full(name), rejection=why)
    _tell(_call("RejectMachine", request))


@app.command("retire")
def retire(name: _Name) -> None:
    """Takes a machine out of the catalogue (admins)."""
    from allocator.machines.v1 import machine_service_pb2

    _tell(_call("RetireMachine", machine_service_pb2.RetireMachineRequest(name=_full(name))))


def _full(name: str) -> str:
    return f"machines/{name.removeprefix('machines/')}"


def _call(method: str, request: Any) -> Any:
    from allocator.machines.v1 import machine_service_pb2_grpc

    from allocctl import session

    stub = session.stub(machine_service_pb2_grpc.MachineServiceStub)
    metadata = session.signed_in() if session.load() else ()
    return getattr(stub, method)(request, timeout=session.CALL_SECONDS, metadata=metadata)


def _state(machine: machine_pb2.Machine) -> str:
    return type(machine).State.Name(machine.state).lower()


def _tell(machine: machine_pb2.Machine) -> None:
    sys.stderr.write(f"{machine.name} is {_state(machine)}, version {machine.version}\n")
