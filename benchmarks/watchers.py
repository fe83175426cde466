"""A thousand watchers: how late lines come, and what a watcher costs."""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import orjson

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


class Watcher(asyncio.Protocol):
    """A WebSocket client that costs little: a thousand of them must not be what is measured."""

    def __init__(self, address: str, name: str, token: str, crowd: Crowd) -> None:
        self.head = (
            f"GET /v1/{name}/console HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\n"
            "connection: upgrade\r\nsec-websocket-version: 13\r\n"
            "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ).encode()
        self.first = [{"auth": {"token": token}}, {"resume": {"cursor": "-1"}}]
        self.crowd = crowd
        self.buffer = b""
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.head)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        self.buffer += data
        if not self.open:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if not end:
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self.open, self.buffer = True, rest
            for frame in self.first:
                self.transport.write(masked(json.dumps(frame).encode()))
        while (message := self.message()) is not None:
            if message.startswith(b'{"hello"'):
                self.crowd.watching += 1
            elif message.startswith(b'{"log"') and self.crowd.counting:
                for text in orjson.loads(message)["log"]["texts"]:
                    self.crowd.delays.append(now - float(text))

    def message(self) -> bytes | None:
        """The next whole message."""
        if len(self.buffer) < 2:
            return None
        length, start = self.buffer[1] & 127, 2
        if length == 126:
            length, start = int.from_bytes(self.buffer[2:4], "big"), 4
        elif length == 127:
            length, start = int.from_bytes(self.buffer[2:10], "big"), 10
        if len(self.buffer) < start + length or start > len(self.buffer):
            return None
        payload = self.buffer[start : start + length]
        self.buffer = self.buffer[start + length :]
        return payload


@dataclass
class Crowd:
    """What all watchers together have seen."""

    watching: int = 0
    counting: bool = False
    delays: list[float] = field(default_factory=list)


def masked(payload: bytes) -> bytes:
    """A text frame of a client; masked with zeros, which is a mask too."""
    size = len(payload)
    length = bytes([128 | size]) if size < 126 else bytes([254]) + size.to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + payload


async def watch(address: str, names: list[str], token: str) -> None:
    """Watches with many sockets and prints how late lines came."""
    seen = Crowd()
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    for number in range(WATCHERS):
        name = names[number % len(names)]
        await loop.create_connection(
            lambda name=name: Watcher(address, name, token, seen), host, int(port)
        )
        while seen.watching < number - 20:
            await asyncio.sleep(0.001)
    while seen.watching < WATCHERS:
        await asyncio.sleep(0.01)
    await asyncio.sleep(WARM_UP_SECONDS)
    print("watching", flush=True)
    seen.counting = True
    await asyncio.sleep(SECONDS)
    seen.counting = False
    figures = {
        "p50": percentile(seen.delays, 0.5),
        "p99": percentile(seen.delays, 0.99),
        "rate": len(seen.delays) / SECONDS,
    }
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    asyncio.run(watch(sys.argv[1], sys.argv[2:], sys.stdin.readline().strip()))
