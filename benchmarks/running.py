"""The allocator that is measured, as its user runs it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from allocator_process import AllocatorProcess
from free_ports import free_port
from visitor import PASSWORD, Visitor

__all__ = ["PASSWORD", "AllocatorProcess", "Visitor", "allocator", "free_port", "settled"]


@contextmanager
def allocator(data: Path, runtime: str = "process", **settings: str) -> Iterator[AllocatorProcess]:
    """Runs one, and removes what was rented at the end."""
    running = AllocatorProcess(data, runtime=runtime, **settings).start()
    try:
        yield running
    finally:
        running.close()


def settled(running: AllocatorProcess, within: float = 120.0) -> None:
    """Waits until it rests: until everybody in it has heard of what was put into its stores before."""
    assert running.process is not None
    stat, ticks = Path(f"/proc/{running.process.pid}/stat"), os.sysconf("SC_CLK_TCK")

    def used() -> float:
        return sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13])) / ticks

    until = time.monotonic() + within
    while True:
        before = used()
        time.sleep(2)
        if used() - before < 0.3:
            return
        assert time.monotonic() < until, "it does not come to rest"
