"""Lines from a container to a WebSocket client that checks each number, against `docker logs`."""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

from websockets.asyncio.client import connect

from allocctl.sequence import SequenceChecker
from benchmarks.figures import Figure
from benchmarks.machines import publish
from benchmarks.running import AllocatorProcess, allocator

LINES = 300_000
PAIRS = 5
WRITER = (
    "import sys, time; time.sleep(1.5); write = sys.stdout.write\n"
    f"for n in range({LINES}): write(f'{{n:07d}} the quick brown fox jumps over the lazy dog, "
    "again and again and again\\n')\n"
    "sys.stdout.flush(); time.sleep(600)"
)


def run() -> list[Figure]:
    with (
        tempfile.TemporaryDirectory() as scratch,
        allocator(
            Path(scratch) / "data", runtime="docker", ALLOCATOR_DOCKER_CONTAINER_LOG_SIZE="100m"
        ) as running,
    ):
        publish(
            running,
            "writer",
            image="python:3.11-slim",
            command=["python", "-c", WRITER],
            resourceClass="large",
        )
        token = running.person("logs@example.org")
        ours, replayed, yard = [], [], []
        for _ in range(PAIRS):
            name = running.rent(token, "writer")["name"]
            ours.append(LINES / asyncio.run(watch(running, name, token)))
            container = container_of(name)
            yard.append(LINES / docker_logs(container))
            replayed.append(LINES / asyncio.run(watch(running, name, token)))
            running.call("DELETE", f"/v1/{name}", token)
            running.wait(token, name, "DELETED")
        ratio = median(a / b for a, b in zip(ours, yard, strict=True))
        again = median(a / b for a, b in zip(replayed, yard, strict=True))
    return [
        Figure(
            "300,000 lines, live, container to WebSocket",
            "docker logs | wc -l",
            ratio,
            "≥ 0.8",
            "×",
            f"{median(ours):.0f} against {median(yard):.0f} lines/s",
        ),
        Figure(
            "300,000 lines again, from the journal",
            "docker logs | wc -l",
            again,
            "≥ 0.8",
            "×",
            f"{median(replayed):.0f} lines/s",
        ),
    ]


async def watch(running: AllocatorProcess, name: str, token: str) -> float:
    """Seconds from the first line to the last one; every number is checked."""
    checker = SequenceChecker(1)
    async with connect(
        f"ws://{running.http}/v1/{name}/console", proxy=None, max_size=None, compression=None
    ) as console:
        await console.send(json.dumps({"auth": {"token": token}}))
        await console.send(json.dumps({"resume": {"cursor": "0"}}))
        began = 0.0
        async with asyncio.timeout(120):
            while checker.lines < LINES:
                message = await console.recv()
                frame = json.loads(message)
                if "log" in frame:
                    began = began or time.perf_counter()
                    texts = frame["log"]["texts"]
                    first = int(frame["log"]["firstSeq"])
                    checker.feed(first, first + len(texts) - 1)
                    for place, text in enumerate(texts):
                        assert int(text[:7]) == first + place - 1
                assert "gap" not in frame, frame
        return time.perf_counter() - began


def container_of(name: str) -> str:
    label = f"label=allocator.allocation={name.removeprefix('allocations/')}"
    for wanted in (label, f"label=allocator.allocation={name}"):
        found = subprocess.run(
            ["docker", "ps", "-q", "--filter", wanted], capture_output=True, text=True, check=True
        ).stdout.split()
        if found:
            return found[0]
    raise AssertionError(f"no container of {name}")


def docker_logs(container: str) -> float:
    """Seconds that `docker logs | wc -l` takes."""
    began = time.perf_counter()
    count = subprocess.run(
        f"docker logs {container} 2>&1 | wc -l", shell=True, capture_output=True, check=True
    ).stdout
    took = time.perf_counter() - began
    assert int(count) == LINES, count
    return took
