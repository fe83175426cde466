"""The settings of a process as a whole."""

from __future__ import annotations

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
    runtime: Literal["auto", "docker", "process"] = Field(
        default="auto",
        description="What runs instances. auto: the Docker engine if one answers at the first "
        "start, else processes; the choice is stored.",
    )
    peers: dict[str, str] = Field(
        default_factory=dict,
        description='gRPC targets of services that run elsewhere, as JSON: {"user_svc": "dns:…"}. '
        "All others are in this process.",
    )
    bus_url: str = Field(
        default="",
        description="The bus of facts; by default a log in SQLite in the data folder.",
    )
    service_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Signs the tokens with which services know each other; by default one is made "
        "in the data folder.",
    )
    vault_key: SecretStr = Field(
        default=SecretStr(""),
        description="Encrypts secrets at rest (32 bytes, base64url); by default one is made in "
        "the data folder.",
    )
    allowed_hosts: str = Field(
        default="",
        description="Host names, joined by commas, that requests may be for. By default, where "
        "HTTP is bound to loopback, the names of loopback; else any.",
    )
    trusted_proxies: str = Field(
        default="",
        description="Addresses of proxies, joined by commas, whose X-Forwarded-For is believed.",
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

    @field_validator("peers", mode="before")
    @classmethod
    def _peers_from_json(cls, value: object) -> object:
        """Reads the JSON form in which the environment carries it."""
        if isinstance(value, str):
            import json

            return json.loads(value or "{}")
        return value
