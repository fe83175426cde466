"""The catalogue, asked of machines_svc."""

from __future__ import annotations

import grpc
from allocator.machines.v1 import machine_pb2, machine_service_pb2, machine_service_pb2_grpc

from allocation_svc.domain.allocation import Price, Protocol
from allocation_svc.domain.crashes import RestartPolicy
from allocation_svc.domain.instance import Volume
from allocation_svc.domain.machine import Machine, MachinePort, Variable
from chassis.rpc import ask

_PROBE_SECONDS = 60.0
_STOP_GRACE_SECONDS = 10.0
_LIVENESS_SECONDS = 10.0
_LIVENESS_FAILURES = 3


class GrpcCatalogue:
    """Asks machines_svc, with the person's own token: so only admins find drafts."""

    def __init__(self, channel: grpc.aio.Channel, *, call_seconds: float = 5.0) -> None:
        """Asks over a channel, and waits so many seconds for an answer."""
        self._stub = machine_service_pb2_grpc.MachineServiceStub(channel)
        self._seconds = call_seconds

    async def machine(self, name: str) -> Machine:
        """One machine, as the caller may see it."""
        request = machine_service_pb2.GetMachineRequest(name=name)
        return machine_of(await ask(self._stub.GetMachine, request, timeout=self._seconds))


def machine_of(message: machine_pb2.Machine) -> Machine:
    """A machine as renting it needs it."""
    ports = tuple(
        MachinePort(
            number=port.number,
            protocol=Protocol.UDP if port.protocol == machine_pb2.Port.UDP else Protocol.TCP,
            title=port.title,
            scheme=port.scheme,
        )
        for port in message.ports
    )
    main = ports[0] if ports else None
    probe = message.probe
    check = probe.WhichOneof("check")
    main_number = main.number if main else 0
    tcp_port = http_port = 0
    if check == "tcp":
        tcp_port = probe.tcp.port or main_number
    elif check == "http":
        http_port = probe.http.port or main_number
    elif check is None and main is not None and main.protocol is Protocol.TCP:
        tcp_port = main_number
    return Machine(
        name=message.name,
        title=message.title,
        version=message.version,
        active=message.state == machine_pb2.Machine.ACTIVE,
        image=message.image,
        command=tuple(message.command),
        needs_image=message.needs_image,
        ports=ports,
        variables=tuple(
            Variable(
                key=variable.key,
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
        stock=message.stock,
        tcp_port=tcp_port,
        http_port=http_port,
        http_path=(probe.http.path or "/") if http_port else "",
        log_pattern=probe.log.pattern if check == "log" else "",
        probe_seconds=probe.timeout.ToMilliseconds() / 1000 or _PROBE_SECONDS,
        stop_grace_seconds=message.stop_grace.ToMilliseconds() / 1000 or _STOP_GRACE_SECONDS,
        run_as=message.run_as,
        stop_signal=machine_pb2.Machine.StopSignal.Name(message.stop_signal)
        if message.stop_signal
        else "",
        price=Price(message.price_per_hour.currency_code, message.price_per_hour.minor_units)
        if message.price_per_hour.minor_units
        else None,
        volumes=tuple(Volume(volume.path, volume.size_mib) for volume in message.volumes),
        liveness_seconds=_liveness_seconds(probe),
        liveness_failures=probe.liveness.failures or _LIVENESS_FAILURES,
        restart_policy=RestartPolicy(machine_pb2.Machine.RestartPolicy.Name(message.restart_policy))
        if message.restart_policy
        else RestartPolicy.NEVER,
        restart_unhealthy=probe.liveness.restart,
        publisher=message.publisher,
    )


def _liveness_seconds(probe: machine_pb2.Probe) -> float:
    """How often the probe goes on; 0 for a log probe of which nobody says that its line comes again."""
    if probe.WhichOneof("check") == "log" and not probe.HasField("liveness"):
        return 0.0
    return float(probe.liveness.period.ToTimedelta().total_seconds()) or _LIVENESS_SECONDS
