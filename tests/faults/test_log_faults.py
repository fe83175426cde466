"""What must not happen to a log does not: loss, repetition, damage."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import pytest
from allocator.containers.v1 import log_pb2

from allocctl.sequence import SequenceChecker
from docker_svc.adapters.log_journal.files import open_file_journal
from docker_svc.ports.logs import GapCause, LogSource
from tests.conformance.scripted_engine import Container, ScriptedEngine, stamp

MINE = "allocations/abcd2345"
START = 1_795_238_331_000_000_000


class Keeper:
    """The process that keeps the log."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def said(self) -> list[int]:
        """The next batch that it has shown."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            while True:
                line = json.loads(await self.process.stdout.readline())
                if isinstance(line, list):
                    return line

    async def until(self, number: int) -> None:
        """Waits until it has shown the line with this number."""
        while (await self.said())[1] < number:
            pass

    async def limit(self, size: int) -> None:
        """Lets it write files up to so many bytes."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"limit {size}\n".encode())
        await self.process.stdin.drain()

    async def complained(self) -> None:
        """Waits until it has said that it cannot keep the log."""
        assert self.process.stderr is not None
        async with asyncio.timeout(30):
            while b"log not kept" not in await self.process.stderr.readline():
                pass


@asynccontextmanager
async def keeping(folder: Path, source: LogSource) -> AsyncIterator[Keeper]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).parent / "log_keeper.py"),
        str(folder),
        json.dumps(asdict(source)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    try:
        yield Keeper(process)
    finally:
        process.kill()
        await process.communicate()


def kept(folder: Path) -> list[str]:
    """Every line and gap in the journal, whose numbers are looked at."""
    journal = open_file_journal(folder / "journal")
    checker, found = SequenceChecker(1), []
    while entries := journal.read(MINE, checker.next, max_bytes=1 << 24):
        for entry in entries:
            checker.feed(entry.first, entry.last, "gap" if entry.cause else "")
            if entry.cause:
                found.append(GapCause(entry.cause).name)
            else:
                record = log_pb2.LogRecord.FromString(entry.payload)
                found += record.batch.text.decode().split("\n")
    journal.close()
    return found


class Writer:
    """Writes numbered lines where a source is read, until there are `total`."""

    def __init__(self, write: Callable[[list[tuple[int, bytes]]], None], total: int) -> None:
        self._write = write
        self._times = itertools.count(START, 20_000)
        self.total = total
        self.written = 0

    def some(self, count: int) -> None:
        first, self.written = self.written, min(self.total, self.written + count)
        lines = [(next(self._times), b"line %d\n" % n) for n in range(first, self.written)]
        if lines:
            self._write(lines)

    async def run(self) -> None:
        while self.written < self.total:
            self.some(200)
            await asyncio.sleep(0.001)


@pytest.fixture(params=["docker", "file"])
def written(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[Writer, LogSource]]:
    if request.param == "docker":
        engine = ScriptedEngine(tmp_path / "engine.sock")
        engine.containers["one"] = Container()
        yield (
            Writer(lambda lines: engine.write("one", *((t, 1, b) for t, b in lines)), 40_000),
            LogSource("docker", "one", engine.address),
        )
        engine.close()
        return
    path = tmp_path / "one.log"
    path.touch()

    def write(lines: list[tuple[int, bytes]]) -> None:
        with path.open("ab") as file:
            for time, text in lines:
                entry = {"log": text.decode(), "stream": "stdout", "time": stamp(time).decode()}
                entry["time"] = entry["time"].strip()
                file.write(json.dumps(entry).encode() + b"\n")

    yield Writer(write, 40_000), LogSource("file", "one", str(path))


async def test_killing_the_service_loses_and_repeats_nothing(
    written: tuple[Writer, LogSource], tmp_path: Path
) -> None:
    writer, source = written
    writing = asyncio.create_task(writer.run())
    for _ in range(4):
        async with keeping(tmp_path, source) as keeper:
            seen = (await keeper.said())[0]
            await keeper.until(seen + 3000)
    await writing
    async with keeping(tmp_path, source) as keeper:
        while (found := kept(tmp_path))[-1:] != [f"line {writer.total - 1}"]:
            await keeper.said()
    assert found == [f"line {n}" for n in range(writer.total)]


async def test_a_full_disk_loses_nothing_that_the_source_keeps(
    written: tuple[Writer, LogSource], tmp_path: Path
) -> None:
    writer, source = written
    writer.some(1000)
    async with keeping(tmp_path, source) as keeper:
        await keeper.until(1000)
        await keeper.limit(60_000)
        writer.some(20_000)
        await keeper.complained()
        damaged = kept(tmp_path)
        assert damaged == [f"line {n}" for n in range(len(damaged))]
        assert 1000 <= len(damaged) < 21_000
        await keeper.limit(-1)
        writer.some(100)
        await keeper.until(21_100)
    assert kept(tmp_path) == [f"line {n}" for n in range(21_100)]


async def test_killing_the_service_while_the_disk_is_full_does_no_damage(
    written: tuple[Writer, LogSource], tmp_path: Path
) -> None:
    writer, source = written
    writer.some(1000)
    async with keeping(tmp_path, source) as keeper:
        await keeper.until(1000)
        await keeper.limit(70_001)
        writer.some(10_000)
        await keeper.complained()
    async with keeping(tmp_path, source) as keeper:
        await keeper.until(11_000)
    assert kept(tmp_path) == [f"line {n}" for n in range(11_000)]
