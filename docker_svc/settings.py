"""The settings of docker_svc."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

import orjson
from pydantic import Field, ValidationInfo, field_validator

from chassis.settings import ServiceSettings

_KIB = 1024
_MIB = 1024 * _KIB
_LEAST_CONTAINER_LOG_BYTES = 10_000_000
_UNITS = {"k": 1000, "m": 1000**2, "g": 1000**3}  # as engines read the sizes of logs


class Settings(ServiceSettings, prefix="ALLOCATOR_DOCKER_"):
    """Read from `ALLOCATOR_DOCKER_…`. The runtime itself is `ALLOCATOR_RUNTIME`, the engine DOCKER_HOST."""

    state_dir: Path | None = Field(
        default=None,
        description="The folder of what the replicas on one node share: records of instances, the "
        "journal of logs, the chosen runtime, and the lock that says which of them works. On a disk "
        "of this machine, not of the network. By default the data folder, for one process alone.",
    )
    node_name: str = Field(
        default_factory=socket.gethostname,
        max_length=200,
        description="The name of this node; by default its host name.",
    )
    public_host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="The host name or address that people are shown for published ports.",
    )
    bind_address: str = Field(
        default="127.0.0.1",
        description="The address of the engine's host that published ports are bound to: loopback, so "
        "that nothing is open to the network unless that is wanted.",
    )
    probe_host: str = Field(
        default="",
        description="The host at which published ports of containers are reached from here, where "
        "docker_svc runs in a container itself: host.docker.internal, or the gateway of its bridge; "
        "bind_address has to be reachable there. By default this is the engine's host.",
    )
    subnets: str = Field(
        default="10.213.0.0/16",
        description="Where the networks of containers are, joined by commas; each network takes a "
        "/23 for 500 containers. An engine's own pools end at about 30 networks.",
    )
    container_log_size: str = Field(
        default="10m",
        pattern="^[1-9][0-9]*[kmg]$",
        description="When the engine turns over the log of a container, with its unit k, m or g: at "
        "least 10m, for followed logs that are turned over sooner lose lines without a word (Docker "
        "20.10); short enough for the disk.",
    )
    container_log_files: int = Field(
        default=3, ge=1, le=100, description="How many of these log files the engine keeps."
    )
    process_log_bytes: int = Field(
        default=10 * 1024 * 1024,
        ge=64 * 1024,
        description="When the log file of a process is turned over, bytes; one former file is kept.",
    )
    process_first_uid: int = Field(
        default=50_000,
        ge=0,
        le=2_000_000_000,
        description="The first of 10,000 user ids that processes are given when the allocator runs "
        "as root, so that they cannot read its files; 0 for none.",
    )
    process_nice: int = Field(
        default=5,
        ge=0,
        le=19,
        description="How much less important than the allocator processes are.",
    )
    trust_everyone: bool = Field(
        default=False,
        description="Whether everyone may rent although processes could read the allocator's files, "
        "where neither a user of their own nor a sandbox is possible. For one's own machine only.",
    )

    volume_measure_seconds: float = Field(
        default=60.0,
        gt=0,
        le=86_400,
        description="How often volumes are measured, seconds, and so how long one may hold more than it "
        "may; less often where measuring them takes more than a twentieth of the time.",
    )

    swarm_engines: dict[str, str] = Field(
        default_factory=dict,
        description="How the engines of a Swarm's nodes are reached, as JSON: "
        '{"node2": "tcp://10.0.0.2:2375", "*": "tcp://{address}:2375"}; * is for all others. That of '
        "the manager is DOCKER_HOST. Without them there are no statistics from other nodes, no "
        "volumes on them without a driver, and instances on one node can reach each other.",
    )
    swarm_network: str = Field(
        default="",
        description="The network of a Swarm that instances are on; by default one of our own, a "
        "bridge on each node.",
    )
    swarm_volume_driver: str = Field(
        default="",
        description="The driver of volumes on a Swarm, so that every node reaches every volume. By "
        "default a volume is a folder of one node, and its instance runs on that node only.",
    )
    swarm_volume_options: dict[str, str] = Field(
        default_factory=dict, description="What that driver is told, as JSON."
    )
    swarm_poll_seconds: float = Field(
        default=0.5,
        ge=0.1,
        le=60,
        description="How often a Swarm is looked at, seconds: a change is seen so late at most. "
        "A manager tells of its tasks only when it is asked.",
    )
    swarm_cpu_share: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="How much of an instance's processor limit Swarm sets aside for it on a node: "
        "most programs rest most of the time.",
    )
    swarm_memory_share: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="How much of an instance's memory limit Swarm sets aside for it on a node: all, "
        "for memory that is used cannot be shared.",
    )

    journal_log_bytes: int = Field(
        default=64 * _MIB,
        ge=64 * _KIB,
        description="How much is kept of the log of one allocation, bytes; what is older becomes a "
        "gap. Enough for half a million lines, so that one chatty instance does not fill the disk.",
    )
    journal_segment_bytes: int = Field(
        default=8 * _MIB,
        ge=16 * _KIB,
        description="How large the files are that a log is kept in, bytes, and so how much of it is "
        "let go of at once; not more than is kept of a log.",
    )
    journal_total_bytes: int = Field(
        default=16 * 1024 * _MIB,
        ge=_MIB,
        description="How much is kept of all logs together, bytes: beyond that the logs of removed "
        "allocations go, the oldest first.",
    )
    journal_days: float = Field(
        default=14.0,
        gt=0,
        le=3650,
        description="How long lines are kept, also of removed allocations, days: time to find out "
        "why something failed.",
    )
    journal_sweep_seconds: float = Field(
        default=1800.0,
        gt=0,
        le=86_400,
        description="How often what is too old or too much is looked for, seconds; it need not be "
        "exact, and goes through every folder.",
    )
    log_line_bytes: int = Field(
        default=16 * _KIB,
        ge=80,
        le=16 * _KIB,
        description="What is kept of a line, bytes, before it is cut; at most 16 KiB, since engines "
        "hand out longer lines in pieces of that size.",
    )
    log_batch_bytes: int = Field(
        default=128 * _KIB,
        ge=4 * _KIB,
        le=512 * _KIB,
        description="How much of a log is read, numbered and written at once, bytes: larger batches "
        "cost less for each line, smaller ones let other logs come sooner.",
    )
    log_batch_seconds: float = Field(
        default=0.010,
        ge=0,
        le=1,
        description="How long lines wait for more of them after the batch before, seconds: the most "
        "that a line is delayed so that a chatty log comes in batches.",
    )
    log_first_retry_seconds: float = Field(
        default=0.1,
        gt=0,
        le=60,
        description="When an engine or a log that is away is tried again, seconds; doubled each "
        "time.",
    )
    log_last_retry_seconds: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="The longest time between two such tries, seconds, so that lines come soon "
        "after the engine is back; not less than the first.",
    )
    log_recent_bytes: int = Field(
        default=_MIB,
        ge=64 * _KIB,
        le=64 * _MIB,
        description="How much of a log that somebody follows is at hand without reading the "
        "journal, bytes of memory for each such log.",
    )
    log_read_bytes: int = Field(
        default=_MIB,
        ge=64 * _KIB,
        le=4 * _MIB,
        description="How much of the journal is read at once, bytes: the most memory that a follower "
        "who is behind takes, and a page, which has to fit into one message.",
    )
    log_handed_entries: int = Field(
        default=256,
        ge=1,
        le=65_536,
        description="How many new batches may wait for the event loop; beyond that they are read "
        "from the journal, so that a busy loop costs no memory.",
    )
    log_probes: int = Field(
        default=1024,
        ge=1,
        le=1_000_000,
        description="For how many log probes it is remembered how far they have looked; one that is "
        "forgotten begins again.",
    )

    probes_at_once: int = Field(
        default=32,
        ge=1,
        le=1000,
        description="How many instances that are ready are looked at at a time, whether they still "
        "answer; a look takes a second at most.",
    )

    @field_validator("swarm_engines", "swarm_volume_options", mode="before")
    @classmethod
    def _pairs_from_json(cls, value: object) -> object:
        """Reads JSON objects of text."""
        if isinstance(value, str):
            return orjson.loads(value or "{}")
        return value

    @field_validator("container_log_size")
    @classmethod
    def _logs_are_not_turned_over_too_soon(cls, value: str) -> str:
        """Refuses sizes with which lines are lost and nobody is told."""
        if int(value[:-1]) * _UNITS[value[-1]] < _LEAST_CONTAINER_LOG_BYTES:
            raise ValueError(
                f"{value} is less than 10m: when an engine turns over smaller logs, those who follow "
                "them lose lines without a word (see docs/decisions/0006)"
            )
        return value

    @field_validator("journal_segment_bytes")
    @classmethod
    def _a_segment_is_part_of_a_log(cls, value: int, others: ValidationInfo) -> int:
        """Refuses segments with which more is kept than was asked for."""
        kept = others.data.get("journal_log_bytes", value)
        if value > kept:
            raise ValueError(f"not more than what is kept of a log, {kept} bytes")
        return value

    @field_validator("log_last_retry_seconds")
    @classmethod
    def _tries_become_rarer(cls, value: float, others: ValidationInfo) -> float:
        """Refuses a last wait that is shorter than the first."""
        first = others.data.get("log_first_retry_seconds", value)
        if value < first:
            raise ValueError(f"not less than the first retry, {first} seconds")
        return value

    @field_validator("subnets")
    @classmethod
    def _subnets_are_networks(cls, value: str) -> str:
        """Each must be an IPv4 network with room for a /23 or be used whole."""
        for subnet in value.split(","):
            ipaddress.IPv4Network(subnet.strip())
        return value

    def subnet_list(self) -> list[str]:
        """The networks one by one."""
        return [subnet.strip() for subnet in self.subnets.split(",")]
