"""tools/steadily.py: what has failed has failed, and is said to fail alone too, or not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools/steadily.py"
STEADY = """
def test_steady():
    with open("steady", "a") as file:
        file.write("x")
"""
UNSTEADY = """
import pathlib

def test_unsteady():
    seen = pathlib.Path("seen")
    was_there = seen.exists()
    seen.touch()
    assert was_there
"""
BROKEN = """
def test_broken():
    with open("broken", "a") as file:
        file.write("x")
    assert False
"""


def run(folder: Path, tests: str, *arguments: str) -> tuple[int, str]:
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_some.py").write_text(tests)
    done = subprocess.run(
        [sys.executable, TOOL, *arguments, "-q"],
        cwd=folder,
        # Nothing of ours is needed there, and all of it takes seconds to come.
        env={**os.environ, **({} if arguments else {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("arguments", [(), ("-n", "2", "--dist", "loadscope")])
def test_what_passes_alone_has_failed_and_is_named(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    code, said = run(tmp_path, STEADY + UNSTEADY, *arguments)
    assert code == 1
    assert said.rstrip().endswith("== failed:\n   test_some.py::test_unsteady  (not alone)")
    assert (tmp_path / "steady").read_text() == "x"


def test_what_is_broken_fails_alone_too(tmp_path: Path) -> None:
    code, said = run(tmp_path, STEADY + UNSTEADY + BROKEN)
    assert code == 1
    assert said.rstrip().endswith(
        "== failed:\n   test_some.py::test_broken  (also alone)\n   test_some.py::test_unsteady  (not alone)"
    )
    assert (tmp_path / "broken").read_text() == "xx"


def test_many_failures_do_not_run_again(tmp_path: Path) -> None:
    many = "import pytest\n@pytest.mark.parametrize('n', range(9))\ndef test_it(n): assert n < 0\n"
    code, said = run(tmp_path, many)
    assert (code, "once more" in said) == (1, False)


def test_what_passes_runs_once(tmp_path: Path) -> None:
    assert run(tmp_path, STEADY)[0] == 0
    assert (tmp_path / "steady").read_text() == "x"


def test_what_cannot_be_collected_is_no_failed_test(tmp_path: Path) -> None:
    code, said = run(tmp_path, "def")
    assert (code, "once more" in said) == (2, False)
