"""Every command of the README does what it says, in a clone of this repository."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from allocator_process import ROOT

pytestmark = [pytest.mark.readme, pytest.mark.slow, pytest.mark.timeout(900)]

PORTS = (8080, 50051)


def commands() -> list[str]:
    """The commands of all its shell blocks, in order, each with its continued lines."""
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    joined = "".join(blocks).replace("\\\n", "\\\0")
    return [line.replace("\\\0", "\\\n") for line in joined.splitlines() if line.strip()]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ALLOCATOR_", "VIRTUAL_ENV"))}
    return {**kept, "REPOSITORY": str(ROOT), "XDG_CONFIG_HOME": str(tmp_path / "config")}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the newcomer works; what they leave behind on the engine is removed."""
    yield tmp_path
    chosen = tmp_path / "allocator" / ".allocator" / "runtime.json"
    if chosen.is_file() and json.loads(chosen.read_text())["runtime"] == "docker":
        label = f"allocator.installation={json.loads(chosen.read_text())['installation']}"
        listing = ["docker", "ps", "-aq", "--filter", f"label={label}"]
        left = subprocess.run(listing, capture_output=True, text=True, check=True, timeout=60)
        if left.stdout:
            subprocess.run(["docker", "rm", "-f", *left.stdout.split()], check=True, timeout=120)


def test_every_command_of_the_readme_works(folder: Path, environment: dict[str, str]) -> None:
    for port in PORTS:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, f"port {port} must be free for this"
    todo = commands()
    at = todo.index("make up")
    clone = folder / "allocator"
    run(todo[:at], folder, environment)
    output = folder / "make-up.txt"
    with output.open("w") as out:
        up = subprocess.Popen(
            shlex.split(todo[at]),
            cwd=clone,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + 600
        while "Ctrl-C ends it" not in output.read_text():
            assert up.poll() is None, output.read_text()
            assert time.monotonic() < until, output.read_text()
            time.sleep(0.1)
        said = run(todo[at + 1 :], clone, environment)
    finally:
        if up.poll() is None:
            os.killpg(up.pid, signal.SIGINT)
        up.wait(timeout=60)
    for wanted in ("http://127.0.0.1:8080", "127.0.0.1:50051", "admin.json", "mailbox"):
        assert wanted in output.read_text()
    assert "Traceback" not in output.read_text()
    for wanted in ("is ready", "is stopped", "is deleted", "allocator.machines.v1.MachineService"):
        assert wanted in said
    assert not (clone / ".allocator" / "run.json").read_text(), "it has ended cleanly"


def run(lines: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Runs commands in one shell, which ends at the first that fails; what they print."""
    done = subprocess.run(
        ["bash", "-xeuo", "pipefail", "-c", "\n".join(lines)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
