"""Instances: what they shall be, what the runtime says of them, and what others are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

STOP_GRACE_SECONDS = 10.0
"""How long a program may take to stop by itself, where its spec does not say."""
PROBE_TIMEOUT_SECONDS = 60.0
"""How long a program may take to be ready, where its spec does not say."""
LIVENESS_SECONDS = 10.0
"""How often it is looked whether a program still answers, where its spec does not say."""
LIVENESS_FAILURES = 3
"""How often in a row it must not have answered, where its spec does not say."""


class State(Enum):
    """What is so; the values are the names in the contract."""

    PULLING = "PULLING"
    CREATING = "CREATING"
    RUNNING = "RUNNING"
    READY = "READY"
    STOPPING = "STOPPING"
    EXITED = "EXITED"
    MISSING = "MISSING"
    FAILED = "FAILED"
    UNHEALTHY = "UNHEALTHY"
    AWAY = "AWAY"


class Protocol(Enum):
    """A transport protocol; the values are as in /etc/services."""

    TCP = "tcp"
    UDP = "udp"


class StopSignal(Enum):
    """A signal that asks a program to end; the values are the system's names."""

    SIGTERM = "SIGTERM"
    SIGINT = "SIGINT"
    SIGQUIT = "SIGQUIT"
    SIGHUP = "SIGHUP"
    SIGUSR1 = "SIGUSR1"
    SIGUSR2 = "SIGUSR2"


@dataclass(frozen=True, slots=True)
class InstanceKey:
    """Which instance.

    Attributes:
        allocation: whose, `allocations/7f3k2m9q`.
        generation: which of the allocation's, from 1.
    """

    allocation: str
    generation: int

    @property
    def allocation_id(self) -> str:
        """The last part of the allocation's name, `7f3k2m9q`."""
        return self.allocation.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port of the instance that is reached at a port of the node."""

    container_port: int
    host_port: int
    protocol: Protocol = Protocol.TCP


@dataclass(frozen=True, slots=True)
class Limits:
    """What an instance may use: thousandths of a core, bytes, processes and threads."""

    cpu_millis: int
    memory_bytes: int
    pids: int


@dataclass(frozen=True, slots=True)
class TcpCheck:
    """The container port must accept a TCP connection."""

    port: int


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """An HTTP GET of the path at the container port must answer with a status below 400."""

    port: int
    path: str


@dataclass(frozen=True, slots=True)
class LogCheck:
    """Some part of a log line must match the regular expression."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Liveness:
    """How a check goes on while an instance is ready.

    Attributes:
        period: seconds from one look to the next.
        failures: how often in a row it must not have answered.
    """

    period: float = LIVENESS_SECONDS
    failures: int = LIVENESS_FAILURES


@dataclass(frozen=True, slots=True)
class Probe:
    """How one sees that an instance is ready, and that it goes on to answer.

    Attributes:
        check: how to look; None: ready once it runs.
        timeout: seconds that it may take after its start.
        liveness: how it goes on then; None for not at all.
    """

    check: TcpCheck | HttpCheck | LogCheck | None = None
    timeout: float = PROBE_TIMEOUT_SECONDS
    liveness: Liveness | None = None


@dataclass(frozen=True, slots=True)
class Volume:
    """A folder that outlasts the instances of an allocation.

    Attributes:
        path: where the program finds it, if the runtime can have it there.
        size_mib: how much it may hold.
        volume: its id; empty for the one that is named for its allocation and its place.
    """

    path: str
    size_mib: int
    volume: str = ""


def volume_ids(allocation: str, volumes: Sequence[Volume]) -> list[str]:
    """The ids of the volumes of an allocation, in their order: `7f3k2m9q-v1` where nothing else is said."""
    identity = allocation.rpartition("/")[2]
    return [volume.volume or f"{identity}-v{n}" for n, volume in enumerate(volumes, 1)]


@dataclass(frozen=True, slots=True)
class HeldVolume:
    """A volume that the runtime has.

    Attributes:
        volume: its id.
        size_bytes: the lengths of its files when it was last measured.
        measure_time: when that was; None where it was not yet.
    """

    volume: str
    size_bytes: int = 0
    measure_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """What an instance shall be.

    Attributes:
        image: the container image; empty for a process.
        command: the program and its arguments; empty for the image's own.
        environment: its variables, secrets included: never logged, and not shown by repr.
        ports: what is published; the first is the main one.
        limits: what it may use.
        probe: how one sees that it is ready.
        stop_grace: seconds that it may take to stop by itself.
        run_as: the user in its container; empty for the image's own.
        stop_signal: what asks it to end; None for the image's own, or SIGTERM.
        volumes: the folders of its allocation, always in the same order.
    """

    limits: Limits
    image: str = ""
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    ports: tuple[PublishedPort, ...] = ()
    probe: Probe = Probe()
    stop_grace: float = STOP_GRACE_SECONDS
    run_as: str = ""
    stop_signal: StopSignal | None = None
    volumes: tuple[Volume, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """What a runtime says of an instance at one moment.

    Attributes:
        key: which instance.
        name: the runtime's own name of it.
        running: whether its program runs.
        run: tells one start of the program from every other of the same instance; empty before the
            first.
        start_time: of the last start; None before the first.
        finish_time: of the last end; None while it runs.
        exit_code: of the last end, 128 + n for signal n; None while it runs.
        out_of_memory: whether the last end was for lack of memory.
        image: what it was made from; empty for a process.
        ports: as they are published.
        paused: whether somebody has paused it at the engine; it runs then.
        address: where its own ports can be reached without going through the published ones; empty
            where nothing such is known.
        node: the name of the node that it is on; empty where there is only one.
        host: where its published ports are reached; empty where the node's settings say so.
        away: whether its node does not answer, or it is on its way to another one: `running` and the
            rest is what was last known.
        killed: whether it is away because somebody has killed its program, and the runtime has not said
            yet what became of it.
        away_time: when its node was last heard of, or it was killed; None unless it is away.
    """

    key: InstanceKey
    name: str
    running: bool
    run: str = ""
    start_time: datetime | None = None
    finish_time: datetime | None = None
    exit_code: int | None = None
    out_of_memory: bool = False
    image: str = ""
    ports: tuple[PublishedPort, ...] = ()
    paused: bool = False
    address: str = ""
    node: str = ""
    host: str = ""
    away: bool = False
    killed: bool = False
    away_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where a probe looks.

    Attributes:
        host: name or address.
        port: the number there.
        direct: whether whoever accepts a connection there is the instance itself. A published port
            may accept before the program listens.
    """

    host: str
    port: int
    direct: bool


@dataclass(frozen=True, slots=True)
class Instance:
    """The running thing behind an allocation, as others are told; the fields are the contract's."""

    key: InstanceKey
    state: State
    runtime: str
    node: str
    observe_time: datetime
    incarnation: int = 0
    name: str = ""
    image: str = ""
    start_time: datetime | None = None
    finish_time: datetime | None = None
    exit_code: int | None = None
    out_of_memory: bool = False
    stop_requested: bool = False
    ended_with_host: bool = False
    reason: str = ""
    message: str = ""
    progress: str = ""
    ports: tuple[PublishedPort, ...] = ()
    host: str = ""
    away_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the fetching of an image is: in words, and in bytes as far as they are known."""

    message: str
    done_bytes: int = 0
    total_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """What an instance uses: thousandths of a core, bytes, bytes since its start, and a number."""

    time: datetime
    cpu_millis: int
    memory_bytes: int
    memory_limit_bytes: int
    received_bytes: int
    sent_bytes: int
    pids: int


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a node is and has, by its runtime.

    Attributes:
        runtime_version: by its own words.
        cpu_millis: thousandths of a core.
        memory_bytes: bytes.
        runs_images: whether machines with an image can run there.
        runs_commands: whether machines that have only a command can.
        admins_only: whether instances could read what is not theirs, and nobody declared all trusted.
        isolation: how far instances are kept apart, in words.
        host: what people are shown for published ports; empty where the settings say so.
        disk_bytes: of the disk where instances are kept; 0 where that is not seen from here.
    """

    runtime_version: str
    cpu_millis: int
    memory_bytes: int
    runs_images: bool
    runs_commands: bool
    admins_only: bool
    isolation: str
    host: str = ""
    disk_bytes: int = 0
