"""The settings of docker_svc."""

from __future__ import annotations

import ipaddress
import socket

from pydantic import Field, field_validator

from chassis.settings import ServiceSettings


class Settings(ServiceSettings, prefix="ALLOCATOR_DOCKER_"):
    """Read from `ALLOCATOR_DOCKER_…`. The runtime itself is `ALLOCATOR_RUNTIME`, the engine DOCKER_HOST."""

    database_url: str = Field(
        default="",
        description="Where records of instances are kept, as SQLAlchemy writes it; empty for a file "
        "in the data folder.",
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
        description="The address of this host that published ports are bound to: loopback, so that "
        "nothing is open to the network unless that is wanted.",
    )
    subnets: str = Field(
        default="10.213.0.0/16",
        description="Where the networks of containers are, joined by commas; each network takes a "
        "/23 for 500 containers. An engine's own pools end at about 30 networks.",
    )
    container_log_size: str = Field(
        default="10m",
        pattern="^[1-9][0-9]*[kmg]$",
        description="When the engine turns over the log of a container: long enough for the journal "
        "to read it, short enough for the disk.",
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
