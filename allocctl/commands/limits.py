"""What people may have at once, and the sizes that machines come in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allocctl.amounts import DEFAULT, FIELDS, NAMES, amount_of, amount_text
from allocctl.failures import Failure
from allocctl.output import Format, Output
from allocctl.spans import bytes_of, bytes_text

if TYPE_CHECKING:
    from allocator.allocations.v1 import quota_pb2, resource_class_pb2

quota = typer.Typer(help="What people may have at once.", no_args_is_help=True)
classes = typer.Typer(
    help="Resource classes: the sizes that machines come in.", no_args_is_help=True
)

_Who = Annotated[str, typer.Argument(help="Whose: an e-mail address, users/…; yours by default.")]
_Limit = f"A number, unlimited, or {DEFAULT}: by role."


@quota.command("get")
def get_quota(who: _Who = "users/me", output: Output = Format.TABLE) -> None:
    """Shows what a person may have at once, and has."""
    from allocator.allocations.v1 import quota_service_pb2

    _show(
        _call("Quota", "GetQuota", quota_service_pb2.GetQuotaRequest(name=_quota_name(who))), output
    )


@quota.command("set")
def set_quota(
    who: _Who,
    instances: Annotated[str, typer.Option(help=f"How many allocations. {_Limit}")] = "",
    cpu: Annotated[str, typer.Option(help=f"Processor, in cores. {_Limit}")] = "",
    memory: Annotated[str, typer.Option(help=f"Memory: 8G. {_Limit}")] = "",
    disk: Annotated[str, typer.Option(help=f"Disk: 50G. {_Limit}")] = "",
    output: Output = Format.TABLE,
) -> None:
    """Sets what a person may have at once (admins); what is not said stays as it is."""
    from allocator.allocations.v1 import quota_service_pb2
    from google.protobuf import field_mask_pb2

    wished = dict(zip(FIELDS, (instances, cpu, memory, disk), strict=True))
    if not any(wished.values()):
        raise Failure("Say what shall be set: --instances, --cpu, --memory, --disk.")
    found = _call("Quota", "GetQuota", quota_service_pb2.GetQuotaRequest(name=_quota_name(who)))
    for field, text in wished.items():
        if text == DEFAULT:
            found.overrides.ClearField(field)
        elif text:
            setattr(found.overrides, field, amount_of(field, text))
    request = quota_service_pb2.UpdateQuotaRequest(
        quota=found, update_mask=field_mask_pb2.FieldMask(paths=["overrides"])
    )
    _show(_call("Quota", "UpdateQuota", request), output)


def _show(found: quota_pb2.Quota, output: Format) -> None:
    from allocctl.output import print_json, print_table

    if output is Format.JSON:
        print_json(found)
        return
    print_table(
        ("WHAT", "USED", "LIMIT", "SET BY"),
        (
            (
                NAMES[field],
                amount_text(field, getattr(found.used, field)),
                amount_text(field, getattr(found.limits, field)),
                "an admin" if found.overrides.HasField(field) else "role",
            )
            for field in FIELDS
        ),
        "",
    )


def _quota_name(who: str) -> str:
    """The name of a person's quota; admins may name people by their addresses."""
    if who.startswith("users/"):
        return f"{who.removesuffix('/quota')}/quota"
    if "@" not in who:
        return f"users/{who}/quota"
    from allocator.users.v1 import user_service_pb2, user_service_pb2_grpc

    from allocctl import session
    from allocctl.failures import EXIT_NOT_FOUND

    found = session.stub(user_service_pb2_grpc.UserServiceStub).ListUsers(
        user_service_pb2.ListUsersRequest(filter=f'email = "{who}"', page_size=2),
        timeout=session.CALL_SECONDS,
        metadata=session.signed_in(),
    )
    if not found.users:
        raise Failure(f"Nobody has the address {who}.", EXIT_NOT_FOUND)
    return f"{found.users[0].name}/quota"


_Class = Annotated[str, typer.Argument(help="The class: small, or resourceClasses/small.")]
_Cpu = Annotated[float | None, typer.Option(min=0.001, help="Processor, in cores: 0.5.")]
_Memory = Annotated[str, typer.Option(help="Memory: 512M.")]
_Pids = Annotated[int | None, typer.Option(min=1, help="Processes and threads.")]
_Disk = Annotated[str, typer.Option(help="Disk beside volumes: 10G.")]
_Title = Annotated[str | None, typer.Option(help="What people read.")]
_Default = Annotated[
    bool, typer.Option("--default", help="It becomes that of machines that name none.")
]


@classes.command("list")
def list_classes(output: Output = Format.TABLE) -> None:
    """Lists the classes."""
    from allocator.allocations.v1 import resource_class_service_pb2

    from allocctl.output import print_json, print_table

    request = resource_class_service_pb2.ListResourceClassesRequest(page_size=1000)
    found: list[resource_class_pb2.ResourceClass] = []
    while True:
        page = _call("ResourceClass", "ListResourceClasses", request)
        found += page.resource_classes
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    if output is Format.JSON:
        print_json(found)
        return
    print_table(
        ("CLASS", "TITLE", "CPU", "MEMORY", "PIDS", "DISK", "DEFAULT"),
        (
            (
                one.name.removeprefix("resourceClasses/"),
                one.title,
                f"{one.cpu_millis / 1000:g}",
                bytes_text(one.memory_bytes),
                str(one.pids),
                bytes_text(one.disk_bytes) if one.disk_bytes else "-",
                "yes" if one.is_default else "",
            )
            for one in found
        ),
        "There are none.",
    )


@classes.command("create")
def create_class(
    name: _Class,
    cpu: _Cpu = None,
    memory: _Memory = "",
    pids: _Pids = None,
    disk: _Disk = "",
    title: _Title = None,
    default: _Default = False,
) -> None:
    """Defines a class (admins)."""
    from allocator.allocations.v1 import resource_class_pb2, resource_class_service_pb2

    made = resource_class_pb2.ResourceClass()
    _put(made, cpu, memory, pids, disk, title, default=default)
    request = resource_class_service_pb2.CreateResourceClassRequest(
        resource_class=made, resource_class_id=name.removeprefix("resourceClasses/")
    )
    _tell(_call("ResourceClass", "CreateResourceClass", request))


@classes.command("update")
def update_class(
    name: _Class,
    cpu: _Cpu = None,
    memory: _Memory = "",
    pids: _Pids = None,
    disk: _Disk = "",
    title: _Title = None,
    default: _Default = False,
) -> None:
    """Changes a class (admins); it counts for what is started afterwards."""
    from allocator.allocations.v1 import resource_class_pb2, resource_class_service_pb2
    from google.protobuf import field_mask_pb2

    changed = resource_class_pb2.ResourceClass(name=_class_name(name))
    paths = _put(changed, cpu, memory, pids, disk, title, default=default)
    if not paths:
        raise Failure("Say what shall change; `allocctl classes update --help` shows what can.")
    request = resource_class_service_pb2.UpdateResourceClassRequest(
        resource_class=changed, update_mask=field_mask_pb2.FieldMask(paths=paths)
    )
    _tell(_call("ResourceClass", "UpdateResourceClass", request))


@classes.command("delete")
def delete_class(name: _Class) -> None:
    """Takes a class away (admins)."""
    from allocator.allocations.v1 import resource_class_service_pb2

    request = resource_class_service_pb2.DeleteResourceClassRequest(name=_class_name(name))
    _call("ResourceClass", "DeleteResourceClass", request)
    sys.stdout.write(f"{_class_name(name)} is deleted\n")


def _put(
    one: resource_class_pb2.ResourceClass,
    cpu: float | None,
    memory: str,
    pids: int | None,
    disk: str,
    title: str | None,
    *,
    default: bool,
) -> list[str]:
    """Puts what is said into a class; answers with the fields."""
    said: dict[str, Any] = {
        "cpu_millis": None if cpu is None else round(cpu * 1000),
        "memory_bytes": bytes_of(memory) if memory else None,
        "pids": pids,
        "disk_bytes": bytes_of(disk) if disk else None,
        "title": title,
        "is_default": default or None,
    }
    paths = [field for field, value in said.items() if value is not None]
    for field in paths:
        setattr(one, field, said[field])
    return paths


def _class_name(name: str) -> str:
    return f"resourceClasses/{name.removeprefix('resourceClasses/')}"


def _tell(one: resource_class_pb2.ResourceClass) -> None:
    sys.stdout.write(
        f"{one.name}: {one.cpu_millis / 1000:g} cores, {bytes_text(one.memory_bytes)} memory, "
        f"{one.pids} processes\n"
    )


def _call(noun: str, method: str, request: Any) -> Any:
    from allocator.allocations.v1 import quota_service_pb2_grpc, resource_class_service_pb2_grpc

    from allocctl import session

    kind = {
        "Quota": quota_service_pb2_grpc.QuotaServiceStub,
        "ResourceClass": resource_class_service_pb2_grpc.ResourceClassServiceStub,
    }[noun]
    return getattr(session.stub(kind), method)(
        request, timeout=session.CALL_SECONDS, metadata=session.signed_in()
    )
