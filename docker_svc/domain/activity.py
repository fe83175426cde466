"""What shows that an instance is in use, and when that was last seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from docker_svc.domain.instance import LIVENESS_SECONDS, HttpCheck, InstanceSpec, TcpCheck

_CPU_SHARE = 0.02
_QUIET_BYTES = 1024.0
_QUIET_BYTES_PER_SECOND = 16.0
_TCP_LOOK_BYTES = 1024.0
_HTTP_LOOK_BYTES = 8192.0
_ENDED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Counters:
    """What was counted of a running instance since its start; None where it cannot be counted.

    Attributes:
        cpu_seconds: of processor, by all its processes.
        network_bytes: that came and went.
        connections: to its ports, that are open now.
        ended: connections to its ports, that it has closed itself within the last minute.
    """

    cpu_seconds: float | None = None
    network_bytes: int | None = None
    connections: int | None = None
    ended: int = 0


@dataclass(frozen=True, slots=True)
class Activity:
    """When an instance was last in use; None where that was not seen since `watch_time`.

    Attributes:
        allocation: whose.
        watch_time: since when it is watched.
        network_time: when bytes last came or went.
        cpu_time: when its processes last used more than 2 % of a core.
        connection_time: when a connection to one of its ports was last open.
        watcher_time: when somebody last followed its log.
    """

    allocation: str
    watch_time: datetime
    network_time: datetime | None
    cpu_time: datetime | None
    connection_time: datetime | None
    watcher_time: datetime | None


def computes(before: Counters, after: Counters, seconds: float) -> bool:
    """Whether more than 2 % of a core was used between two looks."""
    if before.cpu_seconds is None or after.cpu_seconds is None:
        return False
    return after.cpu_seconds - before.cpu_seconds > _CPU_SHARE * seconds


def talks(before: Counters, after: Counters, seconds: float, spec: InstanceSpec) -> bool:
    """Whether more bytes came and went between two looks than a network and our own probes make."""
    if before.network_bytes is None or after.network_bytes is None:
        return False
    quiet = _QUIET_BYTES + (_QUIET_BYTES_PER_SECOND + _probed(spec)) * seconds
    return after.network_bytes - before.network_bytes > quiet


def has_answered(after: Counters, spec: InstanceSpec) -> bool:
    """Whether more connections have ended of late than our own probes make."""
    own = 0.0 if not is_probed(spec) else _ENDED_SECONDS / _period(spec) + 2
    return after.ended > own


def is_probed(spec: InstanceSpec) -> bool:
    """Whether we ourselves connect to it again and again."""
    return spec.probe.liveness is not None and isinstance(spec.probe.check, TcpCheck | HttpCheck)


def _probed(spec: InstanceSpec) -> float:
    """The bytes a second of looking whether it still answers."""
    if not is_probed(spec):
        return 0.0
    is_http = isinstance(spec.probe.check, HttpCheck)
    return (_HTTP_LOOK_BYTES if is_http else _TCP_LOOK_BYTES) / _period(spec)


def _period(spec: InstanceSpec) -> float:
    liveness = spec.probe.liveness
    return LIVENESS_SECONDS if liveness is None else max(liveness.period, 0.1)
