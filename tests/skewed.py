"""Runs a service whose clock is off: `python skewed.py SECONDS SERVICE`.

What our own code takes for the time is moved. How much time passes is not, nor the clock of gRPC, whose
deadlines its C core compares with a clock that cannot be moved from here.
"""

from __future__ import annotations

import runpy
import sys
import time


def main() -> None:
    """Moves the clock, then runs the service in this process."""
    off, service = int(sys.argv[1]), sys.argv[2]
    seconds, nanoseconds = time.time, time.time_ns
    sys.path.insert(0, "")
    # Tokens and certificates look at this one, SystemClock at the other one.
    time.time = lambda: seconds() + off
    import chassis.identity  # noqa: F401

    time.time = seconds
    time.time_ns = lambda: nanoseconds() + off * 1_000_000_000
    sys.argv = [service]
    runpy.run_module(service, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
