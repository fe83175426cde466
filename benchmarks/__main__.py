"""`python -m benchmarks [NAME …]`."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import time

from benchmarks.figures import Figure, table

NAMES = (
    "calls",
    "creating",
    "changes",
    "ten_thousand",
    "jupyterhub",
    "log_in",
    "logs",
    "watchers",
    "process",
    "catalogue",
    "feed",
    "relay",
    "notices",
    "mesh",
    "compose",
    "broker",
)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("names", nargs="*", default=NAMES, choices=(*NAMES, []), metavar="NAME")
    chosen = options.parse_args().names or NAMES
    print(
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}",
        flush=True,
    )
    figures: list[Figure] = []
    for name in chosen:
        began = time.monotonic()
        figures += importlib.import_module(f"benchmarks.{name}").run()
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(table(figures))
    if any(figure.met is False for figure in figures):
        sys.exit("some figures were not reached")


main()
