"""Running the allocator itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from chassis.serving.process import Compose, Running

EMBEDDED_DEFAULTS = {
    # On loopback, in a folder of one's own: everyone who can reach it is the one who started it.
    "ALLOCATOR_DOCKER_TRUST_EVERYONE": "true",
}


def up(context: typer.Context) -> None:
    """Runs every service in this process until Ctrl-C.

    Takes --settings FILE, --check-config and --print-config.
    """
    from chassis.serving import run_process

    data = Path(os.environ.get("ALLOCATOR_DATA_DIR", ".allocator"))
    defaults = {**EMBEDDED_DEFAULTS, "ALLOCATOR_LOG_FILE": str(data / "allocator.log")}
    run_process(
        _composers(), arguments=context.args, defaults=defaults, on_ready=_say_where_to_look
    )


def _composers() -> list[Compose]:
    import allocation_svc.composition
    import broker.composition
    import docker_svc.composition
    import interact_svc.composition
    import machines_svc.composition
    import notifier.composition
    import user_svc.composition

    return [
        user_svc.composition.compose,
        notifier.composition.compose,
        machines_svc.composition.compose,
        docker_svc.composition.compose,
        allocation_svc.composition.compose,
        interact_svc.composition.compose,
        broker.composition.compose,
    ]


def _say_where_to_look(running: Running) -> None:
    """Prints the addresses, the credentials' place and the runtime."""
    from chassis.settings import ProcessSettings

    data = running.settings.of(ProcessSettings).data_dir
    admin = data / "admin.json"
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
    lines += [
        f"  log           {data / 'allocator.log'}",
        "",
        "  Ctrl-C ends it; instances go on.",
        "",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
