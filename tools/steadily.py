"""Runs pytest, and says of what has failed whether it fails alone as well.

    python tools/steadily.py [what pytest takes]

A test that fails beside others and passes alone points at a race or at what was before it, one that fails
alone too at what it tests: whoever reads the end of a long run on another machine cannot find out. It
changes nothing about the result: what has failed has failed.
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
    failed = sorted(json.loads(_FAILED.read_text())) if _FAILED.exists() else []
    if code == _TESTS_FAILED and 0 < len(failed) <= _FEW:
        print(f"\n== {len(failed)} failed, and run once more, alone", flush=True)
        alone = _pytest(
            "-p", "no:xdist", *_without_workers(arguments), "--last-failed", "--lfnf=none"
        )
        still = set(json.loads(_FAILED.read_text())) if alone and _FAILED.exists() else set()
        print("== failed:", flush=True)
        for name in failed:
            print(f"   {name}  ({'also alone' if name in still else 'not alone'})", flush=True)
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
