"""What every `NodeLock` keeps, shown on the one that there is: a file."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from docker_svc.adapters.node_lock.file import FileNodeLock
from docker_svc.ports.node_lock import NodeLock

PATIENCE = 20.0
HOLDS = """
import sys, time
from pathlib import Path
from docker_svc.adapters.node_lock.file import FileNodeLock

lock = FileNodeLock(Path(sys.argv[1]), "elsewhere")
assert lock.take()
print("held", flush=True)
time.sleep(60)
"""

Opening = Callable[[str], NodeLock]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "node.lock"


@pytest.fixture(params=["file"])
def opening(request: pytest.FixtureRequest, path: Path) -> Iterator[Opening]:
    """The lock of one node as the named replica has it; none is held in the end."""
    assert request.param == "file"
    opened: list[NodeLock] = []

    def open_(replica: str) -> NodeLock:
        opened.append(FileNodeLock(path, replica))
        return opened[-1]

    yield open_
    for lock in opened:
        lock.let_go()


@asynccontextmanager
async def held_elsewhere(path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process holds the lock."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDS, str(path), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            assert await process.stdout.readline() == b"held\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def test_one_replica_holds_it_at_a_time(opening: Opening) -> None:
    one, two = opening("one"), opening("two")
    assert one.take()
    assert one.is_held
    assert not two.take()
    assert not two.is_held
    one.let_go()
    assert not one.is_held
    assert two.take()


def test_taking_it_again_changes_nothing(opening: Opening) -> None:
    one, two = opening("one"), opening("two")
    assert one.take()
    assert one.take()
    assert not two.take()
    one.let_go()
    one.let_go()
    assert two.take()


def test_who_holds_it_is_written_down_for_people(opening: Opening) -> None:
    one, two = opening("one"), opening("two")
    assert two.holder() == ""
    one.take()
    assert two.holder().startswith("one since 2")
    one.let_go()
    assert two.holder() == ""
    two.take()
    assert one.holder().startswith("two since ")


@pytest.mark.parametrize("left", [b"", b"{", b"[]", b'"words"', b"\xff", b'{"pid": 1}'])
def test_what_somebody_else_has_written_there_does_not_matter(
    opening: Opening, path: Path, left: bytes
) -> None:
    path.parent.mkdir()
    path.write_bytes(left)
    lock = opening("one")
    assert lock.holder() == ""
    assert lock.take()
    assert lock.holder().startswith("one since ")


async def test_a_process_that_is_killed_lets_it_go(opening: Opening, path: Path) -> None:
    async with held_elsewhere(path) as process:
        lock = opening("here")
        assert not lock.take()
        assert lock.holder().startswith("elsewhere since ")
        process.kill()
        async with asyncio.timeout(PATIENCE):
            await process.wait()
        assert lock.take()


async def test_a_program_that_the_holder_has_started_does_not_hold_it(opening: Opening) -> None:
    one, two = opening("one"), opening("two")
    assert one.take()
    child = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        one.let_go()
        assert two.take()
    finally:
        child.kill()
        await child.wait()


def test_a_lock_whose_file_was_deleted_is_not_taken_twice(opening: Opening, path: Path) -> None:
    """Who comes later finds a new file, and whoever takes that holds what the others find too."""
    one, two, three = opening("one"), opening("two"), opening("three")
    assert one.take()
    path.unlink()
    assert two.take()
    assert not three.take()


def test_a_folder_that_cannot_be_used_is_an_error(opening: Opening, path: Path) -> None:
    path.parent.write_text("a file")
    with pytest.raises(OSError, match="File exists"):
        opening("one").take()
