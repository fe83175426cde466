"""The wire form of allocations, to the domain and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from allocator.allocations.v1 import allocation_facts_pb2, allocation_pb2, allocation_service_pb2
from allocator.machines.v1 import machine_pb2
from allocator.reasons.v1 import reason_pb2
from google.protobuf.message import Message

from allocation_svc.domain.allocation import Allocation, Desired, Protocol, State, StateReason
from allocation_svc.domain.crashes import RestartPolicy
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.instance import Instance, InstanceState, Limits, Node
from allocation_svc.domain.node import node_name
from allocation_svc.transport.terms_mapping import fill_terms
from chassis.bus import Record
from chassis.bus.facts import fact_records
from chassis.clock import millis_of
from chassis.listing import etag_of

_SOURCE = "allocation_svc"
_NOUN = "allocations"

_STATES = {state: allocation_pb2.Allocation.State.Value(state.value) for state in State}
_DESIRED = {desired: allocation_pb2.Desired.State.Value(desired.value) for desired in Desired}
_PROTOCOLS = {
    protocol: allocation_pb2.Endpoint.Protocol.Value(protocol.value) for protocol in Protocol
}
_POLICIES = {
    policy: machine_pb2.Machine.RestartPolicy.Value(policy.value) for policy in RestartPolicy
}
_WIRE_POLICIES = {wire: policy for policy, wire in _POLICIES.items()}
_FACTS: dict[Fact, type[Message]] = {
    fact: getattr(allocation_facts_pb2, fact.value) for fact in Fact
}


def restart_policy_of(
    wire: machine_pb2.Machine.RestartPolicy.ValueType,
) -> RestartPolicy | None:
    """What a caller wants to become of a program that ends by itself; None for what its machine says."""
    return _WIRE_POLICIES.get(wire)


def message_of(allocation: Allocation) -> allocation_pb2.Allocation:
    """An allocation as people see it; it holds no secret."""
    message = allocation_pb2.Allocation(
        name=allocation.name,
        uid=allocation.uid,
        owner=allocation.owner,
        machine=allocation.machine,
        machine_version=allocation.machine_version,
        machine_title=allocation.machine_title,
        display_name=allocation.display_name,
        desired_state=_DESIRED[allocation.desired],
        state=_STATES[allocation.state],
        generation=allocation.generation,
        progress=allocation.progress,
        etag=etag_of(allocation.version),
        labels=allocation.labels,
        resource_class=allocation.resource_class,
        node=node_name(allocation.placed_on) if allocation.placed_on else "",
        restart_policy=_POLICIES[allocation.restart_policy],
        restart_count=allocation.restarts.count,
    )
    for value in allocation.variables:
        message.variables.add(key=value.key, value=value.value, secret=value.secret)
    for had in allocation.volumes:
        message.volumes.add(path=had.path, volume=had.volume)
    for endpoint in allocation.endpoints:
        message.endpoints.add(
            host=endpoint.host,
            port=endpoint.port,
            protocol=_PROTOCOLS[endpoint.protocol],
            container_port=endpoint.container_port,
            title=endpoint.title,
            scheme=endpoint.scheme,
        )
    if allocation.endpoints:
        message.host = allocation.endpoints[0].host
        message.port = allocation.endpoints[0].port
    if allocation.reason is not None:
        _fill_reason(message.state_reason, allocation.reason)
    if allocation.price is not None:
        message.price_per_hour.currency_code = allocation.price.currency
        message.price_per_hour.minor_units = allocation.price.amount
    if allocation.queue is not None:
        place = message.queue
        place.position = allocation.queue.position
        place.length = allocation.queue.length
        _fill_time(place, "expected_time", allocation.queue.expected_time)
        _fill_time(place, "deadline", allocation.deadline)
        if allocation.reason is not None:
            _fill_reason(place.waiting_for, allocation.reason)
    fill_terms(message, allocation.terms)
    if allocation.planned is not None:
        message.planned.desired_state = _DESIRED[allocation.planned.desired]
        _fill_reason(message.planned.reason, allocation.planned.reason)
        _fill_time(message.planned, "time", allocation.planned.time)
    _fill_time(message, "state_time", allocation.state_time)
    _fill_time(message, "observed_time", allocation.observed_time)
    _fill_time(message, "create_time", allocation.create_time)
    _fill_time(message, "update_time", allocation.update_time)
    _fill_time(message, "delete_time", allocation.delete_time)
    return message


def inspection_of(
    allocation: Allocation, instance: Instance, node: Node, limits: Limits | None
) -> allocation_service_pb2.InspectAllocationResponse:
    """All that is known about an allocation and its instance."""
    message = allocation_service_pb2.InspectAllocationResponse(
        allocation=message_of(allocation),
        runtime=instance.runtime or node.runtime,
        instance=instance.name,
        instance_state=instance.state.value,
        incarnation=instance.incarnation,
        image=instance.image,
        node=instance.node or node.name,
    )
    if instance.state is not InstanceState.MISSING:
        _fill_time(message, "start_time", instance.start_time)
        _fill_time(message, "finish_time", instance.finish_time)
    if instance.exit_code is not None:
        message.exit_code = instance.exit_code
    if limits is not None:
        message.cpu_millis = limits.cpu_millis
        message.memory_bytes = limits.memory_bytes
        message.pids = limits.pids
    return message


def records_of(fact: Fact | None, allocation: Allocation) -> Sequence[Record]:
    """What goes onto the bus: the fact, if there is one, and the allocation as it is now."""
    resource = message_of(allocation)
    told: Message = resource if fact is None else _FACTS[fact](allocation=resource)
    if fact is Fact.EXPIRING and allocation.planned is not None:
        told.planned.CopyFrom(resource.planned)  # type: ignore[attr-defined]
    records = fact_records(
        noun=_NOUN,
        source=_SOURCE,
        fact=told,
        resource=resource,
        key=allocation.name,
        version=allocation.version,
        now=allocation.update_time,
    )
    return records[1:] if fact is None else records


def _fill_reason(message: allocation_pb2.StateReason, reason: StateReason) -> None:
    known = reason_pb2.Reason.keys()
    message.reason = reason_pb2.Reason.Value(
        reason.reason if reason.reason in known else "INTERNAL_ERROR"
    )
    message.message = reason.message
    if reason.exit_code is not None:
        message.exit_code = reason.exit_code
    message.out_of_memory = reason.out_of_memory
    message.last_lines.extend(reason.last_lines)


def _fill_time(message: Message, field: str, time: datetime | None) -> None:
    # A fifth of what FromDatetime costs.
    if time is not None:
        stamp = getattr(message, field)
        stamp.seconds, millis = divmod(millis_of(time), 1000)
        stamp.nanos = millis * 1_000_000
