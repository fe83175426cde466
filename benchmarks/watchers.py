"""A thousand watchers: how late lines come, and what a watcher costs."""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from websockets.asyncio.client import connect

from benchmarks.figures import Figure, percentile
from benchmarks.machines import publish
from benchmarks.process import pss_bytes
from benchmarks.running import allocator

WATCHERS = 1000
ALLOCATIONS = 10
LINES_PER_SECOND = 10
WARM_UP_SECONDS = 5.0
SECONDS = 15.0
TICKER = (
    "import sys, time\n"
    f"pause = 1 / {LINES_PER_SECOND}\n"
    "while True: sys.stdout.write(f'{time.time():.6f}\\n'); sys.stdout.flush(); time.sleep(pause)"
)


def run() -> list[Figure]:
    limits = {
        "ALLOCATOR_INTERACT_CONSOLES_PER_PERSON": "5000",
        "ALLOCATOR_INTERACT_CONSOLES_PER_ALLOCATION": "5000",
    }
    with (
        tempfile.TemporaryDirectory() as scratch,
        allocator(Path(scratch) / "data", **limits) as running,
    ):
        publish(
            running,
            "clock",
            command=["python", "-u", "-c", TICKER],
            image="python:3.11-slim",
            resourceClass="nano",
        )
        token = running.person("watchers@example.org")
        names = [running.rent(token, "clock")["name"] for _ in range(ALLOCATIONS)]
        for name in names:
            running.wait(token, name, "READY")
        assert running.process is not None
        before = pss_bytes(running.process.pid)
        crowd = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.watchers", running.http, *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert crowd.stdin is not None
        assert crowd.stdout is not None
        crowd.stdin.write(token + "\n")
        crowd.stdin.flush()
        assert crowd.stdout.readline() == "watching\n"
        after = pss_bytes(running.process.pid)
        came = json.loads(crowd.stdout.readline())
        crowd.wait(60)
    each = (after - before) / WATCHERS / 1024
    return [
        Figure(
            f"{WATCHERS} watchers, {came['rate']:.0f} lines/s in all, p99",
            "",
            came["p99"] * 1000,
            "< 20",
            "ms",
            f"median {came['p50'] * 1000:.1f} ms",
        ),
        Figure("memory of a watcher", "", each, "< 40", "KiB"),
    ]


async def crowd(address: str, names: list[str], token: str) -> None:
    """Watches with many sockets and prints how late lines came."""
    delays: list[float] = []
    counting = asyncio.Event()

    async def watcher(name: str) -> None:
        url = f"ws://{address}/v1/{name}/console"
        async with connect(url, proxy=None, compression=None) as console:
            await console.send(json.dumps({"auth": {"token": token}}))
            await console.send(json.dumps({"resume": {"cursor": "-1"}}))
            await console.recv()
            ready.release()
            async for message in console:
                now = time.time()
                frame = json.loads(message)
                if "log" in frame and counting.is_set():
                    delays.extend(now - float(text) for text in frame["log"]["texts"])

    ready = asyncio.Semaphore(0)
    tasks = []
    for number in range(WATCHERS):
        tasks.append(asyncio.create_task(watcher(names[number % len(names)])))
        if number % 20 == 19:
            for _ in range(20):
                await ready.acquire()
    await asyncio.sleep(WARM_UP_SECONDS)
    print("watching", flush=True)
    counting.set()
    await asyncio.sleep(SECONDS)
    counting.clear()
    print(
        json.dumps(
            {
                "p50": percentile(delays, 0.5),
                "p99": percentile(delays, 0.99),
                "rate": len(delays) / SECONDS,
            }
        ),
        flush=True,
    )
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    asyncio.run(crowd(sys.argv[1], sys.argv[2:], sys.stdin.readline().strip()))
