"""The embedded process itself: how soon it is ready, how much memory it holds at rest."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure
from benchmarks.running import AllocatorProcess

STARTS = 5
REST_SECONDS = 60.0


def run() -> list[Figure]:
    with tempfile.TemporaryDirectory() as scratch:
        running = AllocatorProcess(Path(scratch) / "data")
        running.start()
        running.stop()
        seconds = []
        for _ in range(STARTS):
            began = time.perf_counter()
            running.start()
            seconds.append(time.perf_counter() - began)
            running.stop()
        running.start()
        token = running.person("rest@example.org")
        name = running.rent(token, "ticker")["name"]
        running.wait(token, name, "READY")
        running.call("DELETE", f"/v1/{name}", token)
        running.wait(token, name, "DELETED")
        time.sleep(REST_SECONDS)
        assert running.process is not None
        megabytes = pss_bytes(running.process.pid) / 1e6
        running.close()
    return [
        Figure(
            "start until ready, second start",
            "",
            median(seconds),
            "< 2",
            "s",
            f"{min(seconds):.2f} to {max(seconds):.2f} s",
        ),
        Figure("memory at rest, PSS, 60 s after one rent", "", megabytes, "< 200", "MB"),
    ]


def pss_bytes(pid: int) -> int:
    """The proportional set size of a process."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the kernel does not tell")
