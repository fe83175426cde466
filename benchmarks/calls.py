"""GetAllocation through the whole chain, from the store, against bare servers of the same answer.

It is one allocation that does not change meanwhile, as when somebody looks at a page: the store is
asked for its row each time, and what was made of a row is made again only when the row is another.
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import grpc
from allocator.allocations.v1 import allocation_pb2, allocation_service_pb2

from benchmarks.figures import Figure, alternating
from benchmarks.running import allocator, free_port

AT_ONCE = 16
SECONDS = 2.0
PAIRS = 5
PATH = "/allocator.allocations.v1.AllocationService/GetAllocation"


def run() -> list[Figure]:
    with tempfile.TemporaryDirectory() as scratch, allocator(Path(scratch) / "data") as running:
        token = running.person("calls@example.org")
        name = running.rent(token, "ticker")["name"]
        running.wait(token, name, "READY")
        answer = running.call("GET", f"/v1/{name}", token)
        (Path(scratch) / "answer.json").write_bytes(answer.content)
        message = allocation_pb2.Allocation()
        from google.protobuf.json_format import Parse

        Parse(answer.text, message)
        (Path(scratch) / "answer.bin").write_bytes(message.SerializeToString())
        rpc_port, http_port = free_port(), free_port()
        bare = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.bare", scratch, str(rpc_port), str(http_port)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert bare.stdout is not None
        assert bare.stdout.readline()
        try:
            request = allocation_service_pb2.GetAllocationRequest(name=name).SerializeToString()
            ours, yard, ratio = alternating(
                lambda: asyncio.run(rpc_rate(running.grpc, request, token)),
                lambda: asyncio.run(rpc_rate(f"127.0.0.1:{rpc_port}", request, token)),
                PAIRS,
            )
            web_ours, web_yard, web_ratio = alternating(
                lambda: http_rate(running.http, f"/v1/{name}", token),
                lambda: http_rate(f"127.0.0.1:{http_port}", f"/v1/{name}", token),
                PAIRS,
            )
        finally:
            bare.terminate()
            bare.wait(10)
    return [
        Figure(
            "gRPC GetAllocation",
            "bare grpc.aio echo",
            ratio,
            "≥ 0.35",
            "×",
            f"{max(ours):.0f}/s against {max(yard):.0f}/s",
        ),
        Figure(
            "REST GetAllocation",
            "bare Starlette + uvicorn",
            web_ratio,
            "≥ 0.25",
            "×",
            f"{max(web_ours):.0f}/s against {max(web_yard):.0f}/s",
        ),
    ]


async def rpc_rate(target: str, request: bytes, token: str) -> float:
    """Calls per second; each answer's status is looked at, since grpc raises for others."""
    async with grpc.aio.insecure_channel(target) as channel:
        get = channel.unary_unary(PATH)
        metadata = (("authorization", f"Bearer {token}"),)
        assert len(await get(request, metadata=metadata)) > 100
        end = time.perf_counter() + SECONDS
        done = 0

        async def caller() -> None:
            nonlocal done
            while time.perf_counter() < end:
                await get(request, metadata=metadata)
                done += 1

        began = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
        return done / (time.perf_counter() - began)


def http_rate(
    address: str | Sequence[str], path: str, token: str, tls: ssl.SSLContext | None = None
) -> float:
    """Requests per second over kept connections, by a client that costs little itself.

    Args:
        address: of the server, or of several that take turns.
        path: what is asked for.
        token: whose.
        tls: where they are asked over TLS.
    """
    addresses = [address] if isinstance(address, str) else address
    return asyncio.run(_http_rate(addresses, path, token, tls))


async def _http_rate(
    addresses: Sequence[str], path: str, token: str, tls: ssl.SSLContext | None
) -> float:
    end = time.perf_counter() + SECONDS
    done = 0

    async def caller(address: str) -> None:
        nonlocal done
        raw = (
            f"GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n"
        ).encode()
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port), ssl=tls)
        while time.perf_counter() < end:
            writer.write(raw)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            done += 1
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(caller(addresses[n % len(addresses)]) for n in range(AT_ONCE)))
    return done / (time.perf_counter() - began)
