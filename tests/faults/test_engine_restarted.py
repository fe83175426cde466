"""An engine that is restarted, or goes down with its host: what ran comes back in its order.

The engine is one of the test's own, in a network of its own, so that nobody else loses a container.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from allocator_process import AllocatorProcess

from tests.faults.reconciliation_host import until

pytestmark = [pytest.mark.real_docker, pytest.mark.slow, pytest.mark.timeout(300)]

FLEET = 6
AT_ONCE = 2
GETS_READY = "trap 'exit 0' TERM; sleep 1; echo ready; while :; do sleep 0.2; done"


class OwnEngine:
    """A Docker engine that a test may end."""

    def __init__(self, folder: Path) -> None:
        """Keeps the folder; its path must be short, for a socket is in it."""
        self.folder = folder
        self.url = f"unix://{folder / 'd.sock'}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        flags = {
            "data-root": self.folder / "data",
            "exec-root": self.folder / "exec",
            "pidfile": self.folder / "pid",
        }
        words = " ".join(f"--{name} {value}" for name, value in flags.items())
        engine = (
            f"dockerd {words} -H {self.url} --shutdown-timeout 5 --iptables=false --ip-masq=false"
        )
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["unshare", "-n", "sh", "-c", f"ip link set lo up; exec {engine}"],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            until(lambda: self.run("version", check=False).returncode == 0, 60)
        except AssertionError as error:
            words = (self.folder / "log").read_text()[-2000:]
            raise AssertionError(f"the engine does not start: {words}") from error

    def run(
        self, *words: str, check: bool = True, stdin: bytes | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """A command of its client."""
        return subprocess.run(
            ["docker", "-H", self.url, *words],
            capture_output=True,
            check=check,
            input=stdin,
            timeout=60,
        )

    def stop(self) -> None:
        """Asks it to end, as an upgrade does."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def power_cut(self) -> None:
        """Ends it with everything that runs on it, at once."""
        running = self.run("ps", "-q", "--no-trunc").stdout.decode().split()
        pids = self.run("inspect", "-f", "{{.State.Pid}}", *running).stdout.decode().split()
        assert self._process is not None
        supervisor = int((self.folder / "exec/containerd/containerd.pid").read_text())
        for pid in (self._process.pid, supervisor, *map(int, pids)):
            os.kill(pid, signal.SIGKILL)
        self._process.wait(30)
        self._process = None
        # In memory, on a host: gone with it.
        (self.folder / "exec/containerd/containerd.pid").unlink(missing_ok=True)
        (self.folder / "pid").unlink(missing_ok=True)

    def clear(self) -> None:
        """Removes what a killed engine has left behind: supervisors, mounts, files."""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if str(self.folder).encode() in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((m for m in mounts if m.startswith(str(self.folder))), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False, timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnEngine]:
    folder = Path(tmp_path_factory.mktemp("o"))
    made = OwnEngine(folder)
    made.start()
    image = subprocess.run(
        ["docker", "save", "busybox:latest"], capture_output=True, check=True, timeout=60
    )
    made.run("load", stdin=image.stdout)
    try:
        yield made
    finally:
        if left := made.run("ps", "-aq", check=False).stdout.decode().split():
            made.run("rm", "-f", *left, check=False)
        made.stop()
        made.clear()


def began(running: AllocatorProcess, token: str, name: str) -> datetime:
    """When the program of an allocation was last started."""
    found = running.call("GET", f"/v1/{name}:inspect", token).json()
    return datetime.fromisoformat(found["startTime"])


@pytest.mark.parametrize("how", ["restarted", "power cut"])
def test_what_ran_comes_back_a_few_at_a_time_in_the_order_it_was(
    engine: OwnEngine, tmp_path: Path, how: str
) -> None:
    running = AllocatorProcess(
        tmp_path / "data",
        runtime="docker",
        DOCKER_HOST=engine.url,
        ALLOCATOR_ALLOCATION_BOOT_STARTS=str(AT_ONCE),
        ALLOCATOR_ALLOCATION_SWEEP_SECONDS="2",
    )
    running.start()
    try:
        token = running.admin()
        body = {
            "title": "Gets ready",
            "image": "busybox:latest",
            "command": ["sh", "-c", GETS_READY],
            "resourceClass": "nano",
            "probe": {"log": {"pattern": "^ready$"}, "timeout": "60s"},
        }
        made = running.call("POST", "/v1/machines?machineId=getsready", token, json=body)
        assert made.status_code == 200, made.text
        running.call("POST", "/v1/machines/getsready:publish", token, json={})
        names = []
        for _ in range(FLEET):
            names.append(running.rent(token, "getsready")["name"])
            running.wait(token, names[-1], "READY")
        stopped = names.pop(1)
        running.call("POST", f"/v1/{stopped}:stop", token, json={})
        running.wait(token, stopped, "STOPPED")

        if how == "restarted":
            engine.stop()
        else:
            engine.power_cut()
            assert running.stop() == 0
        engine.start()
        if how == "power cut":
            running.start()
            token = running.admin()

        def as_they_are() -> list[dict[str, Any]]:
            query = {"pageSize": "100"}
            listed = running.call("GET", "/v1/allocations", token, params=query).json()
            return [one for one in listed["allocations"] if one["name"] in names]

        def incarnations() -> list[int]:
            paths = [f"/v1/{name}:inspect" for name in names]
            return [running.call("GET", path, token).json().get("incarnation", 0) for path in paths]

        end = time.monotonic() + 120
        while {one["state"] for one in as_they_are()} != {"READY"} or set(incarnations()) != {2}:
            states = [
                (one["state"], one.get("progress"), one.get("stateReason")) for one in as_they_are()
            ]
            assert time.monotonic() < end, f"{states} {incarnations()}"
            time.sleep(0.1)
        for one in as_they_are():
            assert (one["generation"], one["restartCount"]) == (1, 0), "it counts as no crash"
        assert running.call("GET", f"/v1/{stopped}", token).json()["state"] == "STOPPED"
        times = [began(running, token, name) for name in names]
        for place in range(AT_ONCE, len(times)):
            # Those of one turn may overtake each other.
            before = times[place - AT_ONCE : place]
            assert times[place] > max(before[: 1 - AT_ONCE]), "in the order it was"
            waited = (times[place] - min(before)).total_seconds()
            assert waited > 0.9, "only when another is ready"
        running.remove_everything()
    finally:
        running.close()
