"""The hosts that instances run on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allocctl.output import Format, Output

if TYPE_CHECKING:
    from allocator.allocations.v1 import node_pb2

app = typer.Typer(help="The hosts that instances run on (admins).", no_args_is_help=True)

_Node = Annotated[str, typer.Argument(help="The node: nodes/…, or the last part.")]


@app.command("list")
def list_nodes(output: Output = Format.TABLE) -> None:
    """Lists the nodes, with what they have and what runs there."""
    from allocator.allocations.v1 import node_service_pb2

    from allocctl.output import age, print_json, print_table
    from allocctl.spans import bytes_text

    request = node_service_pb2.ListNodesRequest(page_size=1000)
    found: list[node_pb2.Node] = []
    while True:
        page = _call("ListNodes", request)
        found += page.nodes
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    if output is Format.JSON:
        print_json(found)
        return
    print_table(
        (
            "NODE",
            "HOST",
            "RUNTIME",
            "STATE",
            "TAKES",
            "CPU",
            "MEMORY",
            "ALLOCATIONS",
            "HEARD",
            "WHY",
        ),
        (
            (
                one.name.removeprefix("nodes/"),
                one.display_name or one.host,
                one.runtime,
                _state(one),
                _takes(one),
                f"{one.cpu_millis / 1000:g}",
                bytes_text(one.memory_bytes),
                str(one.allocations),
                age(one.observed_time) if one.HasField("observed_time") else "-",
                one.state_reason.message,
            )
            for one in found
        ),
        "No node is known.",
    )


@app.command("drain")
def drain(
    node: _Node,
    why: Annotated[str, typer.Option(help="For the owners of what runs there to read.")] = "",
) -> None:
    """Takes a node out: nothing new comes there, what can run elsewhere moves, owners are told."""
    from allocator.allocations.v1 import node_service_pb2

    _tell(_call("DrainNode", node_service_pb2.DrainNodeRequest(name=_full(node), reason=why)))


@app.command("activate")
def activate(node: _Node) -> None:
    """Lets a node take instances again."""
    from allocator.allocations.v1 import node_service_pb2

    _tell(_call("ActivateNode", node_service_pb2.ActivateNodeRequest(name=_full(node))))


def _tell(node: node_pb2.Node) -> None:
    sys.stdout.write(f"{node.name} is {_takes(node)}, with {node.allocations} allocations\n")


def _full(node: str) -> str:
    return f"nodes/{node.removeprefix('nodes/')}"


def _state(node: node_pb2.Node) -> str:
    return type(node).State.Name(node.state).lower()


def _takes(node: node_pb2.Node) -> str:
    return type(node).Availability.Name(node.availability).lower()


def _call(method: str, request: Any) -> Any:
    from allocator.allocations.v1 import node_service_pb2_grpc

    from allocctl import session

    return getattr(session.stub(node_service_pb2_grpc.NodeServiceStub), method)(
        request, timeout=session.CALL_SECONDS, metadata=session.signed_in()
    )
