"""The engine, asked of docker_svc."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, cast

import grpc
from allocator.containers.v1 import (
    container_service_pb2,
    container_service_pb2_grpc,
    instance_pb2,
    log_pb2,
)
from allocator.reasons.v1 import reason_pb2
from google.protobuf.message import Message

from allocation_svc.domain.allocation import Protocol
from allocation_svc.domain.instance import Instance, InstanceSpec, InstanceState, Limits, Node
from allocation_svc.domain.node import NodeSeen
from allocation_svc.ports.engine import EngineEvent
from chassis.clock import truncated
from chassis.faults import NotFound
from chassis.rpc import ask, follow

_STATES = {instance_pb2.Instance.State.Value(state.value): state for state in InstanceState}
_PROTOCOLS = {
    protocol: instance_pb2.PublishedPort.Protocol.Value(protocol.value) for protocol in Protocol
}
_LONGEST_LINE = 2000


class GrpcEngine:
    """Asks docker_svc."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        call_seconds: float = 10.0,
        remove_seconds: float = 120.0,
    ) -> None:
        """Asks over a channel.

        Args:
            channel: to docker_svc.
            call_seconds: how long a call may take; those that take longer answer once it is begun.
            remove_seconds: how long a removal may take, which answers when it is done.
        """
        self._stub = container_service_pb2_grpc.ContainerServiceStub(channel)
        self._seconds = call_seconds
        self._remove_seconds = remove_seconds

    async def ensure(self, allocation: str, generation: int, spec: InstanceSpec) -> Instance:
        """Makes an instance and starts it, unless it is there."""
        request = container_service_pb2.EnsureInstanceRequest(
            allocation=allocation, generation=generation, spec=_spec_message(spec)
        )
        return _instance(await ask(self._stub.EnsureInstance, request, timeout=self._seconds))

    async def start(self, allocation: str, generation: int, limits: Limits) -> Instance:
        """Starts the program of an instance that has ended, which then may use so much."""
        request = container_service_pb2.StartInstanceRequest(
            allocation=allocation, generation=generation, limits=_limits_message(limits)
        )
        return _instance(await ask(self._stub.StartInstance, request, timeout=self._seconds))

    async def stop(self, allocation: str, generation: int) -> Instance:
        """Stops the program of an instance."""
        request = container_service_pb2.StopInstanceRequest(
            allocation=allocation, generation=generation
        )
        return _instance(await ask(self._stub.StopInstance, request, timeout=self._seconds))

    async def restart(
        self, allocation: str, generation: int, incarnation: int, limits: Limits
    ) -> Instance:
        """Ends the named incarnation of the program and starts the next."""
        request = container_service_pb2.RestartInstanceRequest(
            allocation=allocation,
            generation=generation,
            incarnation=incarnation,
            limits=_limits_message(limits),
        )
        return _instance(await ask(self._stub.RestartInstance, request, timeout=self._seconds))

    async def remove(self, allocation: str, generation: int) -> None:
        """Removes every instance of an allocation up to the generation."""
        request = container_service_pb2.RemoveInstanceRequest(
            allocation=allocation, generation=generation
        )
        await ask(self._stub.RemoveInstance, request, timeout=self._remove_seconds)

    async def look(self, allocation: str) -> Instance:
        """The instance of an allocation."""
        request = container_service_pb2.GetInstanceRequest(allocation=allocation)
        return _instance(await ask(self._stub.GetInstance, request, timeout=self._seconds))

    async def instances(self) -> Sequence[Instance]:
        """Every instance that is ours."""
        request = container_service_pb2.ListInstancesRequest()
        answer = await ask(self._stub.ListInstances, request, timeout=self._seconds)
        return [_instance(message) for message in answer.instances]

    async def events(self) -> AsyncIterator[EngineEvent]:
        """What changes, from now on."""
        request = container_service_pb2.WatchInstancesRequest()
        stream = cast("AsyncGenerator[Any]", follow(self._stub.WatchInstances, request))
        async with aclosing(stream) as events:
            async for event in events:
                match event.WhichOneof("event"):
                    case "instance":
                        yield EngineEvent(instance=_instance(event.instance))
                    case "list_again":
                        yield EngineEvent(list_again=True)
                    case "engine_available":
                        yield EngineEvent(available=event.engine_available)
                    case _:
                        yield EngineEvent()

    async def last_lines(self, allocation: str, generation: int, lines: int) -> tuple[str, ...]:
        """The last lines that an instance wrote, each cut after 2000 characters."""
        request = container_service_pb2.ReadLogRequest(
            allocation=allocation, cursor=-lines, max_lines=lines
        )
        try:
            answer = await ask(self._stub.ReadLog, request, timeout=self._seconds)
        except NotFound:
            return ()
        found = [line for record in answer.records for line in _lines(record, generation)]
        return tuple(line[:_LONGEST_LINE] for line in found[-lines:])

    async def nodes(self) -> Sequence[NodeSeen]:
        """The nodes that instances run on."""
        request = container_service_pb2.ListNodesRequest()
        answer = await ask(self._stub.ListNodes, request, timeout=self._seconds)
        return [
            NodeSeen(
                name=node.name,
                host=node.host,
                answers=node.answers,
                drained=node.drained,
                drain_reason=node.drain_reason,
                cpu_millis=node.cpu_millis,
                memory_bytes=node.memory_bytes,
                observe_time=truncated(node.observe_time.ToDatetime(tzinfo=UTC)),
                message=node.message,
            )
            for node in answer.nodes
        ]

    async def drain_node(self, name: str, reason: str) -> None:
        """Has a node take no more instances."""
        request = container_service_pb2.DrainNodeRequest(node=name, reason=reason)
        await ask(self._stub.DrainNode, request, timeout=self._seconds)

    async def activate_node(self, name: str) -> None:
        """Has a node take instances again."""
        request = container_service_pb2.ActivateNodeRequest(node=name)
        await ask(self._stub.ActivateNode, request, timeout=self._seconds)

    async def node(self) -> Node:
        """What the node is and can."""
        request = container_service_pb2.GetNodeRequest()
        answer = await ask(self._stub.GetNode, request, timeout=self._seconds)
        return Node(
            name=answer.name,
            runtime=answer.runtime,
            public_host=answer.public_host,
            runs_images=answer.runs_images,
            runs_commands=answer.runs_commands,
            admins_only=answer.admins_only,
            cpu_millis=answer.cpu_millis,
            memory_bytes=answer.memory_bytes,
            disk_bytes=answer.disk_bytes,
            drained=answer.drained,
        )


def _lines(record: log_pb2.LogRecord, generation: int) -> list[str]:
    if not record.batch.times or record.batch.generation != generation:
        return []
    return record.batch.text.decode("utf-8", "replace").split("\n")


def _limits_message(limits: Limits) -> instance_pb2.Limits:
    return instance_pb2.Limits(
        cpu_millis=limits.cpu_millis, memory_bytes=limits.memory_bytes, pids=limits.pids
    )


def _spec_message(spec: InstanceSpec) -> instance_pb2.InstanceSpec:
    message = instance_pb2.InstanceSpec(
        image=spec.image,
        command=spec.command,
        environment=[
            instance_pb2.EnvironmentVariable(key=key, value=value)
            for key, value in spec.environment
        ],
        ports=[
            instance_pb2.PublishedPort(
                container_port=port.container_port,
                host_port=port.host_port,
                protocol=_PROTOCOLS[port.protocol],
            )
            for port in spec.ports
        ],
        limits=_limits_message(spec.limits),
        run_as=spec.run_as,
        volumes=[
            instance_pb2.Volume(path=volume.path, size_mib=volume.size_mib, volume=volume.volume)
            for volume in spec.volumes
        ],
    )
    if spec.stop_signal:
        message.stop_signal = instance_pb2.InstanceSpec.StopSignal.Value(spec.stop_signal)
    message.stop_grace.FromMilliseconds(int(spec.stop_grace_seconds * 1000))
    if spec.tcp_port:
        message.probe.tcp_port = spec.tcp_port
    elif spec.http_port:
        message.probe.http.port = spec.http_port
        message.probe.http.path = spec.http_path
    elif spec.log_pattern:
        message.probe.log_pattern = spec.log_pattern
    if spec.liveness_seconds:
        message.probe.liveness.period.FromMilliseconds(int(spec.liveness_seconds * 1000))
        message.probe.liveness.failures = spec.liveness_failures
    message.probe.timeout.FromMilliseconds(int(spec.probe_seconds * 1000))
    return message


def _instance(message: instance_pb2.Instance) -> Instance:
    return Instance(
        allocation=message.allocation,
        generation=message.generation,
        state=_STATES.get(message.state, InstanceState.MISSING),
        incarnation=message.incarnation,
        name=message.instance_name,
        runtime=message.runtime,
        image=message.image,
        start_time=_time(message, "start_time"),
        finish_time=_time(message, "finish_time"),
        exit_code=message.exit_code if message.HasField("exit_code") else None,
        out_of_memory=message.out_of_memory,
        stop_requested=message.stop_requested,
        ended_with_host=message.ended_with_host,
        reason=reason_pb2.Reason.Name(message.reason) if message.reason else "",
        message=message.message,
        progress=message.progress,
        node=message.node,
        observe_time=_time(message, "observe_time"),
        host=message.host,
        away_time=_time(message, "away_time"),
    )


def _time(message: Message, field: str) -> datetime | None:
    if not message.HasField(field):
        return None
    return truncated(getattr(message, field).ToDatetime(tzinfo=UTC))
