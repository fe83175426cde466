"""Every command of docs/howto/grpcurl.md answers what the page says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from allocator_process import ROOT, AllocatorProcess

from tests.polyglot.conftest import Opening, needed

pytestmark = [pytest.mark.readme, pytest.mark.slow]

ADDRESS = "127.0.0.1:50051"
END = "@@ end of command"


def transcript() -> list[tuple[str, list[str]]]:
    """The commands of the page, each with the lines that it shall answer."""
    page = (ROOT / "docs/howto/grpcurl.md").read_text()
    blocks = re.findall(r"^```console\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE)
    found: list[tuple[str, list[str]]] = []
    goes_on = False
    for line in "".join(blocks).splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif goes_on:
            found[-1] = (f"{found[-1][0]}\n{line}", [])
        else:
            found[-1][1].append(line)
            continue
        goes_on = line.endswith("\\")
    return found


def answers(expected: list[str], given: list[str]) -> bool:
    """Whether lines are as expected: `…` stands for anything in a line, alone for any lines."""
    parts = []
    for line in expected:
        written = "[^\n]*".join(re.escape(part) for part in line.split("…"))
        parts.append(r"(?:[^\n]*\n)*" if line == "…" else f"{written}\n")
    return re.fullmatch("".join(parts), "".join(f"{line}\n" for line in given)) is not None


@pytest.fixture
def alone(installation: Opening) -> AllocatorProcess:
    """An allocator in one process."""
    found = installation("alone")
    assert isinstance(found, AllocatorProcess)
    return found


def test_every_command_answers_what_the_page_says(alone: AllocatorProcess, tmp_path: Path) -> None:
    needed("grpcurl", "go install github.com/fullstorydev/grpcurl/cmd/grpcurl@latest")
    (tmp_path / ".allocator").symlink_to(alone.data_dir)
    told = transcript()
    assert len(told) > 15
    script = "".join(f"{{ {command}\n}} 2>&1\necho '{END}' $?\n" for command, _ in told)
    done = subprocess.run(
        ["bash", "-c", script.replace(ADDRESS, alone.grpc)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
    )
    *had, rest = re.split(rf"^{END} (\d+)\n", done.stdout, flags=re.MULTILINE)
    assert rest == ""
    for (command, expected), output, code in zip(told, had[::2], had[1::2], strict=True):
        assert answers(expected, output.splitlines()), f"{command}\n{output}"
        assert (code == "0") == ("ERROR:" not in expected), f"{command}\n{output}"
    assert (tmp_path / "allocator.binpb").stat().st_size > 10_000


def test_the_comparison_sees_what_is_missing_and_what_is_too_much() -> None:
    assert answers(["a …", "…", "c"], ["a b", "x", "c"])
    assert answers(["…", "c"], ["c"])
    assert not answers(["a", "c"], ["a", "b", "c"])
    assert not answers(["a", "…", "d"], ["a", "b", "c"])
    assert not answers([], ["a"])
