"""What runs behind an allocation, as the engine tells it, and where."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from allocation_svc.domain.allocation import Protocol


class InstanceState(Enum):
    """What is so of an instance; the values are the names in the contract."""

    PULLING = "PULLING"
    CREATING = "CREATING"
    RUNNING = "RUNNING"
    READY = "READY"
    STOPPING = "STOPPING"
    EXITED = "EXITED"
    MISSING = "MISSING"
    FAILED = "FAILED"
    AWAY = "AWAY"
    UNHEALTHY = "UNHEALTHY"


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance as the engine last told it.

    Attributes:
        allocation: `allocations/{allocation}`.
        generation: which of the allocation's instances it is, from 1; 0 where there never was one.
        incarnation: how often its program was started, from 1; 0 if it never was.
        state: what is so.
        name: the engine's own name of it.
        runtime: `docker`, `process`.
        image: that it was made from; empty for a process.
        start_time: when the program was last started.
        finish_time: when it last ended.
        exit_code: of the last end.
        out_of_memory: whether the last end was for lack of memory.
        stop_requested: whether the last end was asked for.
        ended_with_host: whether the last end was that of its host or engine.
        reason: why it is FAILED, UNHEALTHY or AWAY, from the closed list.
        message: the same in a sentence.
        progress: what is being done, in words.
        node: where it runs.
        observe_time: when the engine was asked.
        host: where its ports are reached; empty where that is the node's.
        away_time: since when nothing is known of it, where it is AWAY.
    """

    allocation: str
    generation: int
    state: InstanceState
    incarnation: int = 0
    name: str = ""
    runtime: str = ""
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
    node: str = ""
    observe_time: datetime | None = None
    host: str = ""
    away_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """What runs instances, and what it can.

    Attributes:
        name: of the node.
        runtime: `docker`, `process`.
        public_host: what people are shown as the host of published ports.
        runs_images: whether machines with an image can run there.
        runs_commands: whether machines that have only a command can.
        admins_only: whether only admins may rent there.
        cpu_millis: processor that it has, in thousandths of a core; 0 where that is not known.
        memory_bytes: memory that it has; 0 where that is not known.
        disk_bytes: disk that it has; 0 where that is not known.
        drained: whether it takes nothing new.
    """

    name: str
    runtime: str
    public_host: str
    runs_images: bool
    runs_commands: bool
    admins_only: bool
    cpu_millis: int = 0
    memory_bytes: int = 0
    disk_bytes: int = 0
    drained: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What an instance may use.

    Attributes:
        cpu_millis: processor, in thousandths of a core.
        memory_bytes: memory.
        pids: processes and threads.
    """

    cpu_millis: int
    memory_bytes: int
    pids: int


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port of an instance that is reached at a port of the node."""

    container_port: int
    host_port: int
    protocol: Protocol


@dataclass(frozen=True, slots=True)
class Volume:
    """A folder that outlasts instances.

    Attributes:
        path: where its program finds it.
        size_mib: the room that its machine asks for.
        volume: its id, the last part of its name; empty for the one that is named for its allocation
            and its place.
    """

    path: str
    size_mib: int
    volume: str = ""


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """What the engine is asked to make; with secrets in its environment, so never logged or kept.

    Attributes:
        image: the container image; empty for a process.
        command: the program and its arguments; empty for the image's own.
        environment: of the program.
        ports: to publish.
        limits: what it may use.
        tcp_port: the container port that accepts connections once it is ready; 0 for another check.
        http_port: the container port where an HTTP GET tells that it is ready; 0 for another check.
        http_path: of that GET.
        log_pattern: what a log line matches once it is ready; empty for another check.
        probe_seconds: how long after its start it may take to become ready.
        stop_grace_seconds: how long it may take to stop by itself.
        run_as: the user inside its container; empty for the image's own.
        stop_signal: the name of the signal that asks it to end; empty for the usual one.
        volumes: the folders of the allocation; where they stand in another order than before, each says
            which one it is.
        liveness_seconds: how often its probe goes on once it is ready; 0 for not at all.
        liveness_failures: how often in a row it must not answer until it is UNHEALTHY.
    """

    image: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    ports: tuple[PublishedPort, ...]
    limits: Limits
    tcp_port: int
    http_port: int
    http_path: str
    log_pattern: str
    probe_seconds: float
    stop_grace_seconds: float
    run_as: str
    stop_signal: str = ""
    volumes: tuple[Volume, ...] = ()
    liveness_seconds: float = 0.0
    liveness_failures: int = 3

    def __repr__(self) -> str:
        """Names what runs, and nothing of its environment."""
        return f"InstanceSpec({self.image or self.command[:1]!r})"
