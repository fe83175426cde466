"""The allocator that is measured, as its user runs it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from allocator_process import AllocatorProcess, free_port
from visitor import PASSWORD, Visitor

__all__ = ["PASSWORD", "AllocatorProcess", "Visitor", "allocator", "free_port"]


@contextmanager
def allocator(data: Path, runtime: str = "process", **settings: str) -> Iterator[AllocatorProcess]:
    """Runs one, and removes what was rented at the end."""
    running = AllocatorProcess(data, runtime=runtime, **settings).start()
    try:
        yield running
    finally:
        running.close()
