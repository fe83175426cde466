"""Specs as JSON, for records and for directories of instances."""

from __future__ import annotations

from typing import Any

from docker_svc.domain import (
    HttpCheck,
    InstanceSpec,
    Limits,
    Liveness,
    LogCheck,
    Probe,
    Protocol,
    PublishedPort,
    StopSignal,
    TcpCheck,
    Volume,
)


def spec_to_json(spec: InstanceSpec) -> dict[str, Any]:
    """A spec in plain values."""
    check = spec.probe.check
    return {
        "image": spec.image,
        "command": list(spec.command),
        "environment": dict(spec.environment),
        "ports": [[p.container_port, p.host_port, p.protocol.value] for p in spec.ports],
        "limits": [spec.limits.cpu_millis, spec.limits.memory_bytes, spec.limits.pids],
        "check": None if check is None else _check_to_json(check),
        "probe_timeout": spec.probe.timeout,
        "liveness": [spec.probe.liveness.period, spec.probe.liveness.failures]
        if spec.probe.liveness
        else None,
        "stop_grace": spec.stop_grace,
        "run_as": spec.run_as,
        "stop_signal": None if spec.stop_signal is None else spec.stop_signal.value,
        "volumes": [[volume.path, volume.size_mib, volume.volume] for volume in spec.volumes],
    }


def spec_from_json(value: dict[str, Any]) -> InstanceSpec:
    """The spec that `spec_to_json` was given.

    Raises:
        KeyError, TypeError, ValueError: it is not such a value.
    """
    cpu, memory, pids = value["limits"]
    return InstanceSpec(
        limits=Limits(cpu, memory, pids),
        image=value["image"],
        command=tuple(value["command"]),
        environment=value["environment"],
        ports=tuple(PublishedPort(c, h, Protocol(p)) for c, h, p in value["ports"]),
        probe=Probe(
            _check_from_json(value["check"]),
            value["probe_timeout"],
            Liveness(*liveness) if (liveness := value.get("liveness")) else None,
        ),
        stop_grace=value["stop_grace"],
        run_as=value["run_as"],
        volumes=tuple(Volume(*volume) for volume in value.get("volumes", ())),
        stop_signal=StopSignal(signal) if (signal := value.get("stop_signal")) else None,
    )


def _check_to_json(check: TcpCheck | HttpCheck | LogCheck) -> list[Any]:
    match check:
        case TcpCheck(port):
            return ["tcp", port]
        case HttpCheck(port, path):
            return ["http", port, path]
        case LogCheck(pattern):
            return ["log", pattern]


def _check_from_json(value: list[Any] | None) -> TcpCheck | HttpCheck | LogCheck | None:
    match value:
        case None:
            return None
        case ["tcp", int(port)]:
            return TcpCheck(port)
        case ["http", int(port), str(path)]:
            return HttpCheck(port, path)
        case ["log", str(pattern)]:
            return LogCheck(pattern)
    raise ValueError(f"{value!r} is not a check")
