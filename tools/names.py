"""Checks names: drawers and vague words that say nothing are not used for modules and classes.

python tools/names.py
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOTS = (
    "chassis",
    "user_svc",
    "machines_svc",
    "allocation_svc",
    "docker_svc",
    "interact_svc",
    "broker",
    "notifier",
    "allocctl",
    "tools",
)
VAGUE = frozenset(
    [
        "common",
        "util",
        "utils",
        "helper",
        "helpers",
        "misc",
        "base",
        "core",
        "manager",
        "handler",
        "handlers",
        "processor",
        "data",
        "info",
        "impl",
    ]
)
LONGEST_FILE = 450


def words(name: str) -> set[str]:
    """The words of a name in snake or camel case."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def problems_of(path: Path) -> list[str]:
    """What is wrong with the names in a file, and with its length."""
    found = []
    shown = path.relative_to(ROOT)
    if path.stem.lower() in VAGUE:
        found.append(f"{shown}: the module's name says nothing")
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            last = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", node.name)[-1:]
            if last and last[0].lower() in VAGUE:
                found.append(f"{shown}:{node.lineno}: the class {node.name} ends in a vague word")
    length = source.count("\n")
    if length > LONGEST_FILE:
        found.append(f"{shown}: {length} lines: look for the second idea in it")
    return found


def main() -> None:
    """Looks at every module; fails with a line for each problem."""
    files = [
        path
        for root in ROOTS
        for path in sorted((ROOT / root).rglob("*.py"))
        if "__pycache__" not in path.parts
    ]
    found = [problem for path in files for problem in problems_of(path)]
    if found:
        sys.exit("\n".join(found))
    sys.stdout.write(f"{len(files)} modules: names are fine\n")


if __name__ == "__main__":
    main()
