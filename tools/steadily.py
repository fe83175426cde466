"""Runs pytest; what failed beside other tests runs once more, alone.

Hundreds of processes start and end while the suite runs, on two cores. A test of a deadline may fail there
for want of time alone, and a machine that others use adds its own share. Such a test shows nothing about
the code, and one among thousands would fail the whole. What is broken fails alone as well, and fails here.

    python tools/steadily.py [what pytest takes]

What passed only alone is printed last, by name: each is a race in the test or in the code, and is to be
found. More failures than a few are no bad luck, and none of them runs again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

_FEW = 8
_TESTS_FAILED = 1
_FAILED = Path(".pytest_cache/v/cache/lastfailed")


def main(arguments: list[str]) -> int:
    """Runs them; returns the exit code of pytest."""
    code = _pytest("--cache-clear", *arguments)
    if code != _TESTS_FAILED or not _FAILED.exists():
        return code
    failed = sorted(json.loads(_FAILED.read_text()))
    if not 0 < len(failed) <= _FEW:
        return code
    print(f"\n== {len(failed)} failed beside others, and run again alone", flush=True)
    code = _pytest("-p", "no:xdist", *_without_workers(arguments), "--last-failed", "--lfnf=none")
    if code == 0:
        print("== passed only alone:", *failed, sep="\n   ", flush=True)
    return code


def _without_workers(arguments: list[str]) -> list[str]:
    kept, rest = [], iter(arguments)
    for argument in rest:
        if argument in {"-n", "--dist"}:
            next(rest, None)
        else:
            kept.append(argument)
    return kept


def _pytest(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
