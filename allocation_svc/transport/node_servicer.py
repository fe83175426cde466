"""`NodeService`: from the wire to the use cases."""

from __future__ import annotations

from collections.abc import Sequence

from allocator.allocations.v1 import node_facts_pb2, node_pb2, node_service_pb2
from allocator.reasons.v1 import reason_pb2
from google.protobuf.message import Message

from allocation_svc.domain.node import Node, NodeFact, NodeState
from allocation_svc.usecases.nodes import Nodes
from chassis.bus import Record
from chassis.bus.facts import fact_records
from chassis.clock import millis_of
from chassis.listing import next_token, page_of
from chassis.rpc import Call

_STATES = {state: node_pb2.Node.State.Value(state.value) for state in NodeState}
_FACTS: dict[NodeFact, type[Message]] = {
    fact: getattr(node_facts_pb2, fact.value) for fact in NodeFact
}


class NodeServicer:
    """Serves `NodeService`."""

    def __init__(self, nodes: Nodes) -> None:
        """Keeps what it asks."""
        self._nodes = nodes

    async def GetNode(self, request: node_service_pb2.GetNodeRequest, call: Call) -> node_pb2.Node:
        """Reads one node."""
        del call
        return node_message(*await self._nodes.get(request.name))

    async def ListNodes(
        self, request: node_service_pb2.ListNodesRequest, call: Call
    ) -> node_service_pb2.ListNodesResponse:
        """Lists the nodes."""
        del call
        asked = page_of(request.page_size, request.page_token, key=(str,))
        after = asked.after[0] if asked.after else ""
        found = [each for each in await self._nodes.all() if each[0].name > after]
        shown = found[: asked.size]
        token = next_token((shown[-1][0].name,)) if len(found) > len(shown) else ""
        return node_service_pb2.ListNodesResponse(
            nodes=[node_message(*each) for each in shown], next_page_token=token
        )

    async def DrainNode(
        self, request: node_service_pb2.DrainNodeRequest, call: Call
    ) -> node_pb2.Node:
        """Has a node take no more instances."""
        del call
        return node_message(*await self._nodes.drain(request.name, request.reason))

    async def ActivateNode(
        self, request: node_service_pb2.ActivateNodeRequest, call: Call
    ) -> node_pb2.Node:
        """Has a node take instances again."""
        del call
        return node_message(*await self._nodes.activate(request.name))


def node_message(node: Node, allocations: int) -> node_pb2.Node:
    """A node as people see it.

    Args:
        node: as it is kept.
        allocations: how many have their instance there.
    """
    message = node_pb2.Node(
        name=node.name,
        runtime=node.runtime,
        display_name=node.display_name,
        host=node.host,
        state=_STATES[node.state],
        availability=node_pb2.Node.DRAINED if node.drained else node_pb2.Node.ACTIVE,
        cpu_millis=node.cpu_millis,
        memory_bytes=node.memory_bytes,
        allocations=allocations,
        failures=len(node.failures),
    )
    message.state_time.FromMilliseconds(millis_of(node.state_time))
    if node.observed_time is not None:
        message.observed_time.FromMilliseconds(millis_of(node.observed_time))
    if node.reason is not None:
        message.state_reason.reason = reason_pb2.Reason.Value(node.reason.reason)
        message.state_reason.message = node.reason.message
    return message


def node_records(
    fact: NodeFact, node: Node, owners: Sequence[str], allocations: int
) -> Sequence[Record]:
    """What goes onto the bus: what has happened to a node, and the node as it is now."""
    resource = node_message(node, allocations)
    told = _FACTS[fact](node=resource)
    if isinstance(told, node_facts_pb2.NodeDraining):
        told.owners.extend(owners)
    return fact_records(
        noun="nodes",
        source="allocation_svc",
        fact=told,
        resource=resource,
        key=node.name,
        version=node.version,
        now=node.observed_time or node.state_time,
    )
