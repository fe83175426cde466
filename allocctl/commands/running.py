"""Running the allocator itself."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from chassis.serving.process import Running

SERVICES = (
    "user_svc",
    "notifier",
    "machines_svc",
    "docker_svc",
    "allocation_svc",
    "interact_svc",
    "feed_svc",
    "broker",
)
"""All there are; one process composes them in this order."""

_TRUST = "ALLOCATOR_DOCKER_TRUST_EVERYONE"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")


def up(context: typer.Context) -> None:
    """Runs every service in this process until Ctrl-C.

    Takes --settings FILE, --check-config and --print-config.
    """
    from chassis.starting import start

    start(
        *SERVICES,
        arguments=context.args,
        defaults=_embedded_defaults,
        on_ready=_say_where_to_look,
    )


def _embedded_defaults(given: Mapping[str, str]) -> Mapping[str, str]:
    """What is set for whoever runs everything on one machine of their own."""
    data = Path(given.get("ALLOCATOR_DATA_DIR", ".allocator"))
    made = {"ALLOCATOR_LOG_FILE": str(data / "allocator.log")}
    addresses = (given.get("ALLOCATOR_HTTP_ADDRESS"), given.get("ALLOCATOR_GRPC_ADDRESS"))
    if all(at is None or at.rpartition(":")[0] in _LOOPBACK for at in addresses):
        # On loopback, everyone who can reach it is the one who started it.
        made[_TRUST] = "true"
    return made


def _say_where_to_look(running: Running) -> None:
    """Prints the addresses, the credentials' place and the runtime."""
    from chassis.settings import ProcessSettings

    process = running.settings.of(ProcessSettings)
    admin = process.data_dir / "admin.json"
    lines = [
        "",
        "  The allocator is up.",
        "",
        f"  web page      http://{running.http}",
        f"  REST          http://{running.http}/v1   reference: http://{running.http}/docs",
        f"  gRPC          {running.grpc}",
    ]
    if admin.exists():
        lines.append(f"  first admin   {admin}  (e-mail and password)")
    for service in running.services.values():
        lines += [f"  {label:<13} {text}" for label, text in service.notes.items()]
    if running.settings.shown()[_TRUST] == "True":
        lines.append("  trust         everyone who can reach it (ALLOCATOR_DOCKER_TRUST_EVERYONE)")
    lines += [
        f"  log           {process.log_file or 'standard error'}",
        "",
        "  Ctrl-C ends it; instances go on.",
        "",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
