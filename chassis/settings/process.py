"""The settings of a process as a whole."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from chassis.settings.loading import ServiceSettings


class ProcessSettings(ServiceSettings, prefix="ALLOCATOR_"):
    """What every process needs, whichever services it runs."""

    data_dir: Path = Field(
        default=Path(".allocator"),
        description="The folder of everything that is kept: databases, journals, keys, mailbox.",
    )
    http_address: str = Field(
        default="127.0.0.1:8080",
        description="Where REST, WebSocket and the web page are served, host:port; port 0 for any.",
    )
    grpc_address: str = Field(
        default="127.0.0.1:50051",
        description="Where public gRPC is served, host:port; port 0 for any.",
    )
    runtime: Literal["auto", "docker", "process", "swarm"] = Field(
        default="auto",
        description="What runs instances. auto: the Docker engine if one answers at the first "
        "start, else processes; the choice is stored. swarm: services of the Docker Swarm of which "
        "the engine is a manager; never chosen by itself.",
    )
    peers: dict[str, str] = Field(
        default_factory=dict,
        description='gRPC targets of services that run elsewhere, as JSON: {"user_svc": "dns:…"}. '
        "All others are where peer_target says, or in this process.",
    )
    peer_target: str = Field(
        default="",
        description="The gRPC target of every service that is not in this process, with {service} "
        "for its name: dns:///{service}:50051. By default all are in this process.",
    )
    replica: str = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}",
        min_length=1,
        max_length=200,
        description="The name of this process among its replicas; by default host name and process.",
    )
    advertised_address: str = Field(
        default="",
        max_length=200,
        description="host:port at which other replicas reach this process's gRPC; by default the "
        "host name and the port of grpc_address.",
    )
    tls_dir: Path | None = Field(
        default=None,
        description="The folder of ca.pem, cert.pem and key.pem with which services know each other; "
        "by default there is no TLS, which is for one process alone.",
    )
    bus_url: SecretStr = Field(
        default=SecretStr(""),
        description="The bus of facts: kafka://host:port,host:port; by default a log in SQLite in "
        "the data folder.",
    )
    bus_partitions: int = Field(
        default=6,
        ge=1,
        le=1000,
        description="How many partitions each topic has, made by `allocctl migrate`: as many replicas "
        "of a consumer share the work. It can be raised, which mixes the order once; never lowered.",
    )
    bus_replication: int = Field(
        default=1,
        ge=1,
        le=10,
        description="How many brokers keep each record; 3 where there are as many.",
    )
    bus_retention_days: float = Field(
        default=30.0, gt=0, description="How long facts are kept on the bus, days."
    )
    cache_url: SecretStr = Field(
        default=SecretStr(""),
        description="Where replicas share caches and rate limits: redis://host:port/0; by default "
        "each process has its own in memory.",
    )
    service_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Signs the tokens with which services know each other (32 bytes, base64url; two "
        "joined by a comma while the first replaces the second); by default one is made in the data "
        "folder.",
    )
    vault_key: SecretStr = Field(
        default=SecretStr(""),
        description="Encrypts secrets at rest (32 bytes, base64url; two joined by a comma while the "
        "first replaces the second); by default one is made in the data folder.",
    )
    allowed_hosts: str = Field(
        default="",
        description="Host names, joined by commas, that requests may be for. By default, where "
        "HTTP is bound to loopback, the names of loopback; else any.",
    )
    trusted_proxies: str = Field(
        default="",
        description="Addresses of proxies, joined by commas, whose X-Forwarded-For is believed, "
        "over HTTP and gRPC; that of the edge is, by its certificate.",
    )
    web_dir: Path = Field(
        default=Path(__file__).resolve().parent.parent.parent / "web" / "dist",
        description="The folder of the built web console.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important lines that are logged."
    )
    log_file: str = Field(
        default="",
        description="The file to log to, 16 MiB at most, with three former ones; by default "
        "standard error, and for `allocctl up` allocator.log in the data folder.",
    )
    drain_seconds: float = Field(
        default=10.0,
        ge=0,
        le=600,
        description="How long calls may go on after the process was told to stop, seconds.",
    )
    head_seconds: float = Field(
        default=30.0,
        gt=0,
        description="How long a client may take to connect and send the head of an HTTP request, "
        "seconds: connections that say nothing are not kept.",
    )
    max_body_bytes: int = Field(
        default=1 << 20,
        ge=1024,
        description="The largest request over HTTP and gRPC, bytes: none of ours needs more.",
    )

    def target_of(self, service: str) -> str:
        """The gRPC target of a service that runs elsewhere; empty where none is set."""
        return self.peers.get(service, self.peer_target.replace("{service}", service))

    @field_validator("cache_url")
    @classmethod
    def _known_kind_of_cache(cls, value: SecretStr) -> SecretStr:
        """Refuses a URL of which nothing can be made, before anything is opened."""
        url = value.get_secret_value()
        if url and not url.startswith(("redis://", "rediss://")):
            raise ValueError("begin it with redis:// or rediss://")
        return value

    @field_validator("peers", mode="before")
    @classmethod
    def _peers_from_json(cls, value: object) -> object:
        """Reads the JSON form in which the environment carries it."""
        if isinstance(value, str):
            import json

            return json.loads(value or "{}")
        return value
