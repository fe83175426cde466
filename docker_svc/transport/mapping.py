"""The wire's messages of instances, from and to values of the domain."""

from __future__ import annotations

from datetime import datetime

from allocator.containers.v1 import container_service_pb2 as service_pb2
from allocator.containers.v1 import instance_pb2
from allocator.reasons.v1 import reason_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from docker_svc.domain import (
    Capacity,
    HttpCheck,
    Instance,
    InstanceKey,
    InstanceSpec,
    Limits,
    Liveness,
    LogCheck,
    Probe,
    Progress,
    Protocol,
    PublishedPort,
    StopSignal,
    TcpCheck,
    Usage,
    Volume,
)
from docker_svc.domain.instance import (
    LIVENESS_FAILURES,
    LIVENESS_SECONDS,
    PROBE_TIMEOUT_SECONDS,
    STOP_GRACE_SECONDS,
)
from docker_svc.domain.node import NodeStanding
from docker_svc.usecases.watching import Available, ListAgain, SignOfLife, Told

_PROTOCOLS = {
    instance_pb2.PublishedPort.TCP: Protocol.TCP,
    instance_pb2.PublishedPort.UDP: Protocol.UDP,
}
_WIRE_PROTOCOLS = {ours: wire for wire, ours in _PROTOCOLS.items()}


def key_from_wire(allocation: str, generation: int) -> InstanceKey:
    """Which instance a request is for."""
    return InstanceKey(allocation, generation)


def limits_from_wire(
    request: service_pb2.StartInstanceRequest | service_pb2.RestartInstanceRequest,
) -> Limits | None:
    """What an instance may use from its next start on; None where the request does not say."""
    if not request.HasField("limits"):
        return None
    limits = request.limits
    return Limits(limits.cpu_millis, limits.memory_bytes, limits.pids)


def spec_from_wire(spec: instance_pb2.InstanceSpec) -> InstanceSpec:
    """What an instance shall be."""
    return InstanceSpec(
        limits=Limits(spec.limits.cpu_millis, spec.limits.memory_bytes, spec.limits.pids),
        image=spec.image,
        command=tuple(spec.command),
        environment={variable.key: variable.value for variable in spec.environment},
        ports=tuple(
            PublishedPort(port.container_port, port.host_port, _PROTOCOLS[port.protocol])
            for port in spec.ports
        ),
        probe=_probe(spec),
        stop_grace=spec.stop_grace.ToTimedelta().total_seconds()
        if spec.HasField("stop_grace")
        else STOP_GRACE_SECONDS,
        run_as=spec.run_as,
        stop_signal=StopSignal(instance_pb2.InstanceSpec.StopSignal.Name(spec.stop_signal))
        if spec.stop_signal
        else None,
        volumes=tuple(
            Volume(volume.path, volume.size_mib, volume.volume) for volume in spec.volumes
        ),
    )


def _probe(spec: instance_pb2.InstanceSpec) -> Probe:
    probe = spec.probe
    timeout = probe.timeout.ToTimedelta().total_seconds() if probe.HasField("timeout") else 0.0
    check: TcpCheck | HttpCheck | LogCheck | None = None
    match probe.WhichOneof("check"):
        case "tcp_port":
            check = TcpCheck(probe.tcp_port)
        case "http":
            check = HttpCheck(probe.http.port, probe.http.path)
        case "log_pattern":
            check = LogCheck(probe.log_pattern)
    liveness = _liveness(probe.liveness) if probe.HasField("liveness") else None
    return Probe(check, timeout if timeout > 0 else PROBE_TIMEOUT_SECONDS, liveness)


def _liveness(liveness: instance_pb2.Liveness) -> Liveness:
    period = liveness.period.ToTimedelta().total_seconds()
    return Liveness(period or LIVENESS_SECONDS, liveness.failures or LIVENESS_FAILURES)


def instance_to_wire(instance: Instance) -> instance_pb2.Instance:
    """What others are told of an instance."""
    return instance_pb2.Instance(
        allocation=instance.key.allocation,
        generation=instance.key.generation,
        incarnation=instance.incarnation,
        state=instance_pb2.Instance.State.Value(instance.state.value),
        instance_name=instance.name,
        runtime=instance.runtime,
        image=instance.image,
        start_time=_time(instance.start_time),
        finish_time=_time(instance.finish_time),
        exit_code=instance.exit_code,
        out_of_memory=instance.out_of_memory,
        stop_requested=instance.stop_requested,
        ended_with_host=instance.ended_with_host,
        reason=reason_pb2.Reason.Value(instance.reason)
        if instance.reason
        else reason_pb2.REASON_UNSPECIFIED,
        message=instance.message,
        progress=instance.progress,
        ports=[
            instance_pb2.PublishedPort(
                container_port=port.container_port,
                host_port=port.host_port,
                protocol=_WIRE_PROTOCOLS[port.protocol],
            )
            for port in instance.ports
        ],
        node=instance.node,
        host=instance.host,
        away_time=_time(instance.away_time),
        observe_time=_time(instance.observe_time),
    )


def node_standing_to_wire(node: NodeStanding) -> instance_pb2.NodeStanding:
    """What is so of a node."""
    return instance_pb2.NodeStanding(
        name=node.name,
        host=node.host,
        answers=node.answers,
        drained=node.drained,
        drain_reason=node.drain_reason,
        cpu_millis=node.cpu_millis,
        memory_bytes=node.memory_bytes,
        observe_time=_time(node.observe_time),
        message=node.message,
    )


def told_to_wire(told: Told) -> service_pb2.InstanceEvent:
    """What a watcher is told."""
    match told:
        case Instance():
            return service_pb2.InstanceEvent(instance=instance_to_wire(told))
        case ListAgain():
            return service_pb2.InstanceEvent(list_again=True)
        case Available(available):
            return service_pb2.InstanceEvent(engine_available=available)
        case SignOfLife():
            return service_pb2.InstanceEvent()


def usage_to_wire(usage: Usage) -> service_pb2.InstanceStats:
    """What an instance uses."""
    return service_pb2.InstanceStats(
        time=_time(usage.time),
        cpu_millis=usage.cpu_millis,
        memory_bytes=usage.memory_bytes,
        memory_limit_bytes=usage.memory_limit_bytes,
        received_bytes=usage.received_bytes,
        sent_bytes=usage.sent_bytes,
        pids=usage.pids,
    )


def progress_to_wire(progress: Progress) -> service_pb2.PullProgress:
    """How far the fetching of an image is."""
    return service_pb2.PullProgress(
        message=progress.message,
        done_bytes=progress.done_bytes,
        total_bytes=progress.total_bytes,
    )


def node_to_wire(
    capacity: Capacity, *, name: str, runtime: str, public_host: str, drained: bool
) -> instance_pb2.Node:
    """What this node is."""
    return instance_pb2.Node(
        name=name,
        runtime=runtime,
        runtime_version=capacity.runtime_version,
        public_host=capacity.host or public_host,
        cpu_millis=capacity.cpu_millis,
        memory_bytes=capacity.memory_bytes,
        disk_bytes=capacity.disk_bytes,
        runs_images=capacity.runs_images,
        runs_commands=capacity.runs_commands,
        admins_only=capacity.admins_only,
        isolation=capacity.isolation,
        drained=drained,
    )


def _time(instant: datetime | None) -> Timestamp | None:
    if instant is None:
        return None
    time = Timestamp()
    time.FromDatetime(instant)
    return time
