"""Machines between the wire and the domain."""

from __future__ import annotations

from datetime import datetime, timedelta

from allocator.machines.v1 import machine_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.clock import millis_of
from chassis.listing import etag_of
from machines_svc.domain.availability import Availability
from machines_svc.domain.health import (
    HttpProbe,
    Liveness,
    LogProbe,
    Probe,
    RestartPolicy,
    TcpProbe,
)
from machines_svc.domain.machine import (
    Machine,
    MachineSpec,
    Money,
    Picture,
    Port,
    Protocol,
    StopSignal,
    Variable,
    Volume,
)

SPEC_FIELDS = frozenset(MachineSpec.__dataclass_fields__)
"""The fields of the contract's Machine that an admin sets: named alike in the domain."""


def spec_of(message: machine_pb2.Machine) -> MachineSpec:
    """What an admin says of a machine. The message keeps the rules of the contract."""
    return MachineSpec(
        title=message.title,
        description=message.description,
        image=message.image,
        command=tuple(message.command),
        needs_image=message.needs_image,
        ports=tuple(
            Port(
                port.number,
                Protocol.UDP if port.protocol == machine_pb2.Port.UDP else Protocol.TCP,
                port.title,
                port.scheme,
            )
            for port in message.ports
        ),
        variables=tuple(
            Variable(
                key=variable.key,
                title=variable.title,
                description=variable.description,
                required=variable.required,
                default_value=variable.default_value,
                secret=variable.secret,
                choices=tuple(variable.choices),
                pattern=variable.pattern,
                generated_length=variable.generated_length,
            )
            for variable in message.variables
        ),
        resource_class=message.resource_class,
        probe=_probe_of(message.probe) if message.HasField("probe") else None,
        price_per_hour=Money(
            message.price_per_hour.currency_code, message.price_per_hour.minor_units
        )
        if message.HasField("price_per_hour")
        else None,
        stock=message.stock,
        labels=dict(message.labels),
        run_as=message.run_as,
        stop_grace=_span_of(message.stop_grace) if message.HasField("stop_grace") else None,
        stop_signal=StopSignal(machine_pb2.Machine.StopSignal.Name(message.stop_signal))
        if message.stop_signal
        else None,
        volumes=tuple(Volume(one.path, one.size_mib, one.title) for one in message.volumes),
        restart_policy=RestartPolicy(machine_pb2.Machine.RestartPolicy.Name(message.restart_policy))
        if message.restart_policy
        else None,
        category=message.category,
        tags=tuple(message.tags),
    )


def _probe_of(message: machine_pb2.Probe) -> Probe:
    check: TcpProbe | HttpProbe | LogProbe | None = None
    match message.WhichOneof("check"):
        case "tcp":
            check = TcpProbe(message.tcp.port)
        case "http":
            check = HttpProbe(message.http.port, message.http.path)
        case "log":
            check = LogProbe(message.log.pattern)
    return Probe(
        check,
        _span_of(message.timeout) if message.HasField("timeout") else None,
        _liveness_of(message.liveness) if message.HasField("liveness") else None,
    )


def _liveness_of(message: machine_pb2.Liveness) -> Liveness:
    period = _span_of(message.period) if message.HasField("period") else None
    return Liveness(message.restart, period, message.failures)


def _span_of(message: Duration) -> timedelta:
    return timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)


def message_of(machine: Machine, availability: Availability) -> machine_pb2.Machine:
    """A machine as it is sent."""
    spec = machine.spec
    message = machine_pb2.Machine(
        name=machine.name,
        uid=machine.uid,
        title=spec.title,
        description=spec.description,
        image=spec.image,
        command=spec.command,
        needs_image=spec.needs_image,
        ports=[
            machine_pb2.Port(
                number=port.number,
                protocol=machine_pb2.Port.Protocol.Value(port.protocol.value),
                title=port.title,
                scheme=port.scheme,
            )
            for port in spec.ports
        ],
        variables=[
            machine_pb2.Variable(
                key=variable.key,
                title=variable.title,
                description=variable.description,
                required=variable.required,
                default_value=variable.default_value,
                secret=variable.secret,
                choices=variable.choices,
                pattern=variable.pattern,
                generated_length=variable.generated_length,
            )
            for variable in spec.variables
        ],
        resource_class=spec.resource_class,
        publisher=machine.publisher,
        stock=spec.stock,
        state=machine_pb2.Machine.State.Value(machine.state.value),
        version=machine.version,
        etag=etag_of(machine.version),
        labels=spec.labels,
        create_time=_timestamp(machine.create_time),
        update_time=_timestamp(machine.update_time),
        availability=machine_pb2.Machine.Availability.Value(availability.value),
        run_as=spec.run_as,
        volumes=[
            machine_pb2.Volume(path=one.path, size_mib=one.size_mib, title=one.title)
            for one in spec.volumes
        ],
        category=spec.category,
        tags=spec.tags,
        average_rating=machine.standing.rating_hundredths / 100,
        reviews=machine.standing.reviews,
        rents=machine.standing.rents,
    )
    if spec.stop_signal is not None:
        message.stop_signal = machine_pb2.Machine.StopSignal.Value(spec.stop_signal.value)
    if spec.restart_policy is not None:
        policy = machine_pb2.Machine.RestartPolicy.Value(spec.restart_policy.value)
        message.restart_policy = policy
    if spec.probe is not None:
        message.probe.CopyFrom(_probe_message(spec.probe))
    if spec.price_per_hour is not None:
        message.price_per_hour.currency_code = spec.price_per_hour.currency_code
        message.price_per_hour.minor_units = spec.price_per_hour.minor_units
    if spec.stop_grace is not None:
        message.stop_grace.FromTimedelta(spec.stop_grace)
    for kind, picture in machine.pictures.items():
        uri = f"/v1/{machine.name}/{kind.value}?digest={picture.digest}"
        getattr(message, kind.value).CopyFrom(_picture_message(picture, uri))
    if machine.forked_from is not None:
        message.forked_from.machine = machine.forked_from.machine
        message.forked_from.version = machine.forked_from.version
    if machine.submission is not None:
        message.submission.submit_time.CopyFrom(_timestamp(machine.submission.submit_time))
        if machine.submission.reject_time is not None:
            message.submission.reject_time.CopyFrom(_timestamp(machine.submission.reject_time))
        message.submission.rejection = machine.submission.rejection
    return message


def _picture_message(picture: Picture, uri: str) -> machine_pb2.Picture:
    return machine_pb2.Picture(
        uri=uri,
        media_type=picture.media_type,
        digest=picture.digest,
        width=picture.width,
        height=picture.height,
        size_bytes=picture.size_bytes,
    )


def _timestamp(instant: datetime) -> Timestamp:
    seconds, millis = divmod(millis_of(instant), 1000)
    return Timestamp(seconds=seconds, nanos=millis * 1_000_000)


def _probe_message(probe: Probe) -> machine_pb2.Probe:
    message = machine_pb2.Probe()
    match probe.check:
        case TcpProbe(port=port):
            message.tcp.CopyFrom(machine_pb2.TcpProbe(port=port))
        case HttpProbe(port=port, path=path):
            message.http.CopyFrom(machine_pb2.HttpProbe(port=port, path=path))
        case LogProbe(pattern=pattern):
            message.log.CopyFrom(machine_pb2.LogProbe(pattern=pattern))
        case None:
            pass
    if probe.timeout is not None:
        message.timeout.FromTimedelta(probe.timeout)
    if probe.liveness is not None:
        message.liveness.SetInParent()
        message.liveness.restart = probe.liveness.restart
        message.liveness.failures = probe.liveness.failures
        if probe.liveness.period is not None:
            message.liveness.period.FromTimedelta(probe.liveness.period)
    return message
