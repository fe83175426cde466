"""Machines between the wire and the domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from allocator.machines.v1 import machine_facts_pb2, machine_pb2, machine_service_pb2
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.bus import Record
from chassis.bus.facts import fact_records
from chassis.clock import millis_of
from chassis.listing import etag_of
from chassis.rpc.chain import validate
from machines_svc.domain.availability import Availability
from machines_svc.domain.facts import (
    Fact,
    MachineCreated,
    MachineDeleted,
    MachinePublished,
    MachineRetired,
    MachineUpdated,
)
from machines_svc.domain.machine import (
    HttpProbe,
    LogProbe,
    Machine,
    MachineSpec,
    Money,
    Port,
    Probe,
    Protocol,
    TcpProbe,
    Variable,
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
    return Probe(check, _span_of(message.timeout) if message.HasField("timeout") else None)


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
    )
    if spec.probe is not None:
        message.probe.CopyFrom(_probe_message(spec.probe))
    if spec.price_per_hour is not None:
        message.price_per_hour.currency_code = spec.price_per_hour.currency_code
        message.price_per_hour.minor_units = spec.price_per_hour.minor_units
    if spec.stop_grace is not None:
        message.stop_grace.FromTimedelta(spec.stop_grace)
    return message


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
    return message


_FACTS: dict[type[Fact], type[Message]] = {
    MachineCreated: machine_facts_pb2.MachineCreated,
    MachineUpdated: machine_facts_pb2.MachineUpdated,
    MachinePublished: machine_facts_pb2.MachinePublished,
    MachineRetired: machine_facts_pb2.MachineRetired,
}


def records_of(fact: Fact) -> Sequence[Record]:
    """A fact as it goes onto the bus: the fact itself, and what is then so.

    What a runtime can run is a matter of the moment, so it is in neither.
    """
    machine = fact.machine
    resource = message_of(machine, Availability.UNKNOWN)
    if isinstance(fact, MachineDeleted):
        return fact_records(
            noun="machines",
            source="machines_svc",
            fact=machine_facts_pb2.MachineDeleted(name=machine.name),
            resource=None,
            key=machine.name,
            version=machine.version + 1,
            now=fact.time,
        )
    return fact_records(
        noun="machines",
        source="machines_svc",
        fact=_FACTS[type(fact)](machine=resource),
        resource=resource,
        key=machine.name,
        version=machine.version,
        now=machine.update_time,
    )


def starter_of(written: Mapping[str, Any]) -> tuple[str, MachineSpec]:
    """A machine that is written down in the contract's words: its name, and what it is.

    Raises:
        Invalid: it breaks the contract.
        ValueError: something in it is not in the contract.
    """
    try:
        message = json_format.ParseDict(dict(written), machine_pb2.Machine())
    except json_format.ParseError as error:
        raise ValueError(f"{written.get('name')}: {error}") from None
    machine_id = message.name.removeprefix("machines/")
    validate(machine_service_pb2.CreateMachineRequest(machine=message, machine_id=machine_id))
    return message.name, spec_of(message)
