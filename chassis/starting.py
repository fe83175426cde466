"""The start of a process, from the names of what it runs; imports nothing before it must."""

from __future__ import annotations

import gc
from importlib import import_module
from typing import Any

_THRESHOLDS = (10_000, 20, 100)


def start(*services: str, **options: Any) -> None:
    """Runs services in this process until it is told to end; see `chassis.serving.run_process`.

    Args:
        services: packages, each with a `composition.compose`.
        options: of `run_process`.
    """
    # What is imported and composed stays. Looking through it for cycles meanwhile, over and over,
    # takes an eighth of the start; the process turns it on again once it is ready.
    gc.disable()
    composers = [import_module(f"{name}.composition").compose for name in services]
    import_module("chassis.serving").run_process(composers, **options)


def started() -> None:
    """Sets aside what the start has made, and has cycles looked for from now on.

    Looking through all of it again and again would stop the loop for tens of milliseconds each time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    gc.enable()
