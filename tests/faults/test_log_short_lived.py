"""Containers that write much and are gone at once, on a real engine."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
from allocator.containers.v1 import log_pb2

from allocctl.sequence import SequenceChecker
from chassis.clock import SystemClock
from docker_svc.adapters.log_journal.files import open_file_journal
from docker_svc.adapters.log_source.pump import open_pump
from docker_svc.ports.logs import CUT, LogSource
from docker_svc.usecases.logs import Logs

pytestmark = [pytest.mark.real_docker, pytest.mark.slow, pytest.mark.timeout(300)]

ENGINE = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
CHATTY = "seq 1 5000; seq 5001 5020 >&2; seq 5021 12000; echo -n the end"


async def docker(*words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "docker", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(120):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode().strip()


@pytest.fixture
async def label() -> AsyncIterator[str]:
    label = f"log-test-{uuid.uuid4().hex[:12]}"
    yield label
    left = (await docker("ps", "-aq", "--filter", f"label={label}")).split()
    if left:
        await docker("rm", "-f", *left)


@pytest.fixture
async def logs(tmp_path: Path) -> AsyncIterator[Logs]:
    journal = open_file_journal(tmp_path)
    logs = Logs(journal, open_pump(structlog.get_logger()), SystemClock(), asyncio.Event())
    run = asyncio.create_task(logs.run())
    await logs.writing()
    yield logs
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    await logs.close()


async def run(label: str, *words: str) -> str:
    return await docker(
        "run", "-d", "--network", "none", "--label", label, "--log-driver", "json-file", *words
    )


async def kept(logs: Logs, allocation: str) -> list[tuple[int, str]]:
    """Stream and text of each line."""
    checker, found = SequenceChecker(1), []
    while entries := (await logs.read(allocation, checker.next, 10_000)).entries:
        for entry in entries:
            checker.feed(entry.first, entry.last)
            assert not entry.cause
            batch = log_pb2.LogRecord.FromString(entry.payload).batch
            found += list(zip(batch.streams, batch.text.decode().split("\n"), strict=True))
    return found


async def test_fifty_short_lived_chatty_containers_lose_no_line(logs: Logs, label: str) -> None:
    at_once = asyncio.Semaphore(6)

    async def one(number: int) -> None:
        allocation = f"allocations/short{number:03d}"
        async with at_once:
            container = await run(label, "busybox", "sh", "-c", CHATTY)
            await logs.attach(allocation, 1, 1, LogSource("docker", container, ENGINE))
            assert await logs.drained(allocation, 60)
            await docker("rm", "-f", container)
            await logs.detach(allocation)
        found = await kept(logs, allocation)
        for stream in (1, 2):
            some = [text for each, text in found if each == stream]
            wanted = [str(n) for n in range(1, 12_001) if (5000 < n <= 5020) == (stream == 2)]
            assert some == wanted + (["the end"] if stream == 1 else [])

    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(one(number))


async def test_a_restarted_container_is_read_on(logs: Logs, label: str) -> None:
    allocation = "allocations/again001"
    container = await run(label, "busybox", "sh", "-c", "seq 1 3000")
    for incarnation in range(1, 4):
        await logs.attach(allocation, 1, incarnation, LogSource("docker", container, ENGINE))
        assert await logs.drained(allocation, 30)
        await docker("start", container)
    await logs.attach(allocation, 1, 4, LogSource("docker", container, ENGINE))
    assert await logs.drained(allocation, 30)
    found = [text for _, text in await kept(logs, allocation)]
    assert found == [str(n) for n in range(1, 3001)] * 4


async def test_long_lines_and_bad_bytes_come_through_the_engine(logs: Logs, label: str) -> None:
    program = (
        "import sys; w = sys.stdout.buffer.write; w(b'x' * 16384 + b'\\n'); w(b'y' * 50000 + b'\\n');"
        "w(b'\\xff\\xfe\\n'); w(b'\\n'); w('ü\\r\\n'.encode()); w(b'no end')"
    )
    container = await run(label, "python:3.11-slim", "python", "-c", program)
    await logs.attach("allocations/long0001", 1, 1, LogSource("docker", container, ENGINE))
    assert await logs.drained("allocations/long0001", 30)
    assert await kept(logs, "allocations/long0001") == [
        (1, "x" * 16384),
        (1 | CUT, "y" * 16384),
        (1, "\ufffd\ufffd"),
        (1, ""),
        (1, "ü\r"),
        (1, "no end"),
    ]


@pytest.mark.parametrize(("size", "lines"), [("10m", 600_000), ("30m", 600_000)])
async def test_a_log_that_the_engine_turns_over_is_whole_or_has_gaps(
    logs: Logs, label: str, size: str, lines: int
) -> None:
    program = f"for n in range({lines}): print('line', n, '.' * 60)"
    container = await run(
        label, "--log-opt", f"max-size={size}", "--log-opt", "max-file=3",
        "python:3.11-slim", "python", "-c", program,
    )  # fmt: skip
    allocation = "allocations/turn0001"
    await logs.attach(allocation, 1, 1, LogSource("docker", container, ENGINE))
    assert await logs.drained(allocation, 120)
    checker, following, gaps = SequenceChecker(), 0, 0
    while entries := (await logs.read(allocation, checker.next, 10_000)).entries:
        for entry in entries:
            checker.feed(entry.first, entry.last, "gap" if entry.cause else "")
            if entry.cause:
                gaps += 1
                following = -1
                continue
            batch = log_pb2.LogRecord.FromString(entry.payload).batch
            for text in batch.text.decode().split("\n"):
                number = int(text.split()[1])
                assert number == following or following < 0, (number, following, gaps)
                following = number + 1
    assert following == lines
    assert gaps <= 3
