"""Resolves the dependencies anew and writes the lock files, with hashes and without addresses.

    python tools/lock.py

Needs pip-tools, which reads pip's configuration of the machine.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPILE = [
    sys.executable,
    "-m",
    "piptools",
    "compile",
    "--quiet",
    "--strip-extras",
    "--allow-unsafe",
    "--generate-hashes",
    "--no-header",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-emit-trusted-host",
    "--no-emit-options",
]
EXTRAS = [
    f"--extra={name}" for name in ("docker", "mysql", "mongodb", "redis", "kafka", "cassandra")
]
LOCKS = (
    ("runtime.txt", [*EXTRAS, "pyproject.toml"]),
    (
        "dev.txt",
        [
            *EXTRAS,
            "--extra=dev",
            "--constraint=requirements/runtime.txt",
            "pyproject.toml",
        ],
    ),
    ("build.txt", ["requirements/build.in"]),
    ("web.txt", ["requirements/web.in"]),
)


def main() -> None:
    """Writes every lock file."""
    for name, sources in LOCKS:
        subprocess.run(
            [*COMPILE, f"--output-file=requirements/{name}", *sources], cwd=ROOT, check=True
        )


if __name__ == "__main__":
    main()
