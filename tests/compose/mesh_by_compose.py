"""The mesh of docker-compose.yml, brought up beside whatever else runs on this engine."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from pathlib import Path
from typing import Any

import httpx2
from allocator_process import ROOT
from free_ports import free_port, free_range
from visitor import Visitor

SERVICES = (
    "user_svc",
    "machines_svc",
    "allocation_svc",
    "docker_svc",
    "interact_svc",
    "feed_svc",
    "broker",
    "notifier",
)
STORES = ("mysql", "mongo", "cassandra", "redis", "kafka")
PATIENCE = 420.0


class MeshByCompose(Visitor):
    """One project of its own: name, ports, networks, volumes, secrets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = f"allocator-test-{secrets.token_hex(3)}"
        self.secrets = folder / "secrets"
        https, http = free_port(), free_port()
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("ALLOCATOR_")},
            "COMPOSE_PROJECT_NAME": self.project,
            "SECRETS": str(self.secrets),
            "SERVICES_IMAGE": "allocator/services:test",
            "EDGE_IMAGE": "allocator/edge:test",
            "HTTPS_PORT": str(https),
            "HTTP_PORT": str(http),
            "PORT_RANGE": free_range(),
            "INSTANCES_SUBNETS": f"10.{220 + secrets.randbelow(30)}.0.0/16",
            # Everybody here comes from one address.
            "SIGN_UPS_AT_ONCE": "100000",
            "EDGE_REQUESTS_PER_SECOND": "100000",
            "WAIT_SECONDS": "300",
        }
        self.http = self.grpc = f"localhost:{https}"
        self.ca = folder / "ca.pem"
        self.admin_file = folder / "admin.json"
        self.client = httpx2.Client()

    def mesh(self, *arguments: str, within: float = PATIENCE) -> str:
        """Runs deploy/compose/mesh.sh; what it printed."""
        done = subprocess.run(
            ["deploy/compose/mesh.sh", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=within,
        )
        if done.returncode != 0:
            said = f"{done.stdout[-4000:]}{done.stderr[-4000:]}"
            raise AssertionError(f"mesh.sh {' '.join(arguments)}: {said}\n{self.logs()}")
        return done.stdout

    def logs(self) -> str:
        """The end of what each container has said."""
        done = subprocess.run(
            ["deploy/compose/mesh.sh", "compose", "logs", "--no-color", "--tail", "25"],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return "\n".join(line[:300] for line in done.stdout.splitlines())

    def up(self, *arguments: str) -> str:
        """Brings it up, and takes what a client needs to know."""
        said = self.mesh("up", *arguments)
        self.ca.write_text(self.mesh("ca", within=60))
        self.admin_file.write_text(self.mesh("admin", within=60))
        self.client.close()
        self.client = self.open_client()
        return said

    def containers(self, service: str = "") -> list[dict[str, Any]]:
        """The containers of a service that run, or of all, as the engine describes them."""
        wanted = ["--filter", f"label=com.docker.compose.project={self.project}"]
        if service:
            wanted += ["--filter", f"label=com.docker.compose.service={service}"]
        names = docker("ps", "--quiet", *wanted).split()
        found: list[dict[str, Any]] = json.loads(docker("inspect", *names)) if names else []
        return found

    @property
    def mailbox(self) -> Path:  # type: ignore[override]
        """A copy of the mails that were sent by now."""
        copy = self.folder / "mailbox"
        copy.mkdir(exist_ok=True)
        docker("cp", f"{self.containers('notifier')[0]['Id']}:/mailbox/.", str(copy))
        return copy

    def close(self) -> None:
        """Removes every instance, then everything of the project."""
        try:
            if self.admin_file.exists():
                self.remove_everything()
        finally:
            self.client.close()
            self.mesh("clean", within=180)


def docker(*arguments: str) -> str:
    """Runs the engine's client; what it printed."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout
