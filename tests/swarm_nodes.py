"""The nodes of the Swarm that tests run on: killed, held up, and brought back."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.servers import swarm_engines, swarm_manager

PATIENCE = 90.0


def until(what: Callable[[], Any], within: float = PATIENCE) -> Any:
    """What a question answers, once that counts as true."""
    end = time.monotonic() + within
    while not (answer := what()):
        assert time.monotonic() < end, f"still {answer!r} after {within} s"
        time.sleep(0.05)
    return answer


def engine_of(node: str) -> str:
    """The URL of the engine of a node."""
    return swarm_engines().get(node) or swarm_manager()


def docker(node: str, *arguments: str) -> str:
    """What the command of an engine answers."""
    asked = subprocess.run(
        ["docker", "-H", engine_of(node), *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return asked.stdout.strip()


def containers_on(
    node: str, installation: str, *, running: bool = True, allocation: str = ""
) -> list[str]:
    """The containers of an installation on a node, by its engine; of one allocation, or of all."""
    wanted = ["--filter", f"label=allocator.installation={installation}"]
    if allocation:
        wanted += ["--filter", f"label=allocator.allocation={allocation}"]
    return docker(node, "ps", "-q" if running else "-aq", *wanted).split()


def standing_of(node: str) -> str:
    """What the cluster says of a node: `ready active`, `down drain`."""
    told = json.loads(docker("", "node", "inspect", node))[0]
    return f"{told['Status']['State']} {told['Spec']['Availability']}"


def pid_of(node: str) -> int:
    """The process of the engine of a node."""
    pairs = os.environ.get("ALLOCATOR_TEST_SWARM_PIDS", "").split()
    files = dict(pair.split("=", 1) for pair in pairs)
    assert node in files, "ALLOCATOR_TEST_SWARM_PIDS does not name the node, but a test needs it"
    return int(Path(files[node]).read_text())


def kill(node: str) -> None:
    """Ends the engine of a node as a crash does; what it runs goes on without it."""
    os.kill(pid_of(node), signal.SIGKILL)


def bring_back() -> None:
    """Starts the engines that have ended."""
    command = os.environ.get("ALLOCATOR_TEST_SWARM_UP", "")
    assert command, "ALLOCATOR_TEST_SWARM_UP is not set, but a test that needs it was selected"
    subprocess.run(shlex.split(command), check=True, capture_output=True, timeout=120)


@contextmanager
def held_up(node: str) -> Iterator[None]:
    """Stops the engine of a node in its tracks, as a cut cable or a hanging host does."""
    process = pid_of(node)
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def all_well() -> None:
    """Waits until every node answers and takes instances."""
    for node in ("node1", *swarm_engines()):
        if not standing_of(node).endswith("active"):
            docker("", "node", "update", "--availability", "active", node)
        until(partial(_is_well, node))


def _is_well(node: str) -> bool:
    return standing_of(node) == "ready active"
