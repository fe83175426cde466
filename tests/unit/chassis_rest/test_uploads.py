"""Bodies of any length, through a real server, and the same as a client's stream by gRPC."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from allocator.allocations.v1 import (
    volume_pb2,
    volume_service_pb2,
    volume_service_pb2_grpc,
)

from chassis.faults import Cancelled, Exhausted, Invalid
from chassis.rest import rest_app
from chassis.rpc import Chain, PeerChannel, send
from chassis.rpc.server import RpcServer
from tests.unit.chassis_rest.oddities import Everyone, fetch, listening

SERVICE = "allocator.allocations.v1.VolumeService"
PATH = "/v1/volumes:upload"
Take = Callable[[AsyncIterator[Any]], Any]
Request = volume_service_pb2.UploadVolumeRequest


class Taking:
    """Takes uploads as it is told to."""

    def __init__(self, take: Take) -> None:
        self.take = take
        self.first: Any = None
        self.fault: BaseException | None = None
        self.ended = asyncio.Event()

    async def UploadVolume(self, requests: AsyncIterator[Any], call: Any) -> Any:
        del call
        try:
            self.first = await anext(requests)

            async def pieces() -> AsyncIterator[bytes]:
                yield self.first.archive.data
                async for request in requests:
                    assert not request.display_name
                    yield request.archive.data

            return await self.take(pieces())
        except BaseException as error:
            self.fault = error
            raise
        finally:
            self.ended.set()

    async def _unused(self, request: Any, call: Any) -> Any:
        raise AssertionError

    ListVolumes = GetVolume = UpdateVolume = DeleteVolume = DownloadVolume = _unused


async def whole(pieces: AsyncIterator[bytes]) -> volume_pb2.Volume:
    size, most = 0, 0
    async for piece in pieces:
        size, most = size + len(piece), max(most, len(piece))
    return volume_pb2.Volume(size_bytes=size, size_limit_mib=most)


@pytest.fixture
def socket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s") / "s"


@asynccontextmanager
async def served(taking: Taking, socket: Path) -> AsyncIterator[None]:
    app = rest_app(Chain({SERVICE: taking}, Everyone()), max_body_bytes=1000)
    async with listening(app, socket):
        yield


TOKEN = {"authorization": "Bearer x"}


async def test_a_body_may_be_longer_than_any_other(socket: Path) -> None:
    taking = Taking(whole)
    async with served(taking, socket):
        said = {**TOKEN, "content-type": "application/x-tar"}
        answer = await fetch(
            socket, "POST", f"{PATH}?displayName=mine&sizeLimitMib=5", bytes(3 << 20), said
        )
    assert answer.status == 200, answer.body
    told = json.loads(answer.body)
    assert told["sizeBytes"] == str(3 << 20)
    assert told["sizeLimitMib"] <= 256 << 10, "in pieces"
    first = taking.first
    assert (first.display_name, first.size_limit_mib) == ("mine", 5)
    assert first.archive.content_type == "application/x-tar"


async def test_a_body_may_come_in_chunks_or_be_empty(socket: Path) -> None:
    taking = Taking(whole)
    async with served(taking, socket), asyncio.timeout(20):
        reader, writer = await asyncio.open_unix_connection(str(socket))
        head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\n"
        writer.write(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
        writer.write(b"5\r\nhello\r\n3\r\n...\r\n0\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"200"
        assert b'"sizeBytes":"8"' in await reader.readuntil(b"}")
        writer.write(f"{head}content-length: 0\r\n\r\n".encode())
        assert (await reader.readline()).split()[1] == b"200", "on the same connection"
        writer.close()


async def test_what_the_contract_forbids_is_refused_before_the_body_is_read(socket: Path) -> None:
    taking = Taking(whole)
    async with served(taking, socket):
        answer = await fetch(socket, "POST", f"{PATH}?sizeLimitMib=-1", bytes(100), TOKEN)
        assert (answer.status, json.loads(answer.body)["reason"]) == (400, "REQUEST_INVALID")
        answer = await fetch(socket, "POST", f"{PATH}?what=1", bytes(100), TOKEN)
        assert (answer.status, json.loads(answer.body)["reason"]) == (400, "REQUEST_INVALID")
        answer = await fetch(socket, "POST", PATH, bytes(100))
        assert (answer.status, json.loads(answer.body)["reason"]) == (401, "TOKEN_MISSING")


async def test_a_refusal_reaches_a_client_that_still_sends(socket: Path) -> None:
    async def refuses(pieces: AsyncIterator[bytes]) -> None:
        await anext(pieces)
        raise Exhausted("Too much.", reason="VOLUME_TOO_LARGE")

    async with served(Taking(refuses), socket):
        answer = await fetch(socket, "POST", PATH, bytes(3 << 20), TOKEN)
    assert (answer.status, json.loads(answer.body)["reason"]) == (429, "VOLUME_TOO_LARGE")
    assert answer.header("connection") == "close"


async def test_nothing_is_read_that_is_not_used(socket: Path) -> None:
    goes_on = asyncio.Event()

    async def waits(pieces: AsyncIterator[bytes]) -> volume_pb2.Volume:
        await anext(pieces)
        await goes_on.wait()
        return await whole(pieces)

    async with served(Taking(waits), socket), asyncio.timeout(20):
        reader, writer = await asyncio.open_unix_connection(str(socket))
        size = 32 << 20
        head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\n"
        writer.write(f"{head}content-length: {size}\r\n\r\n".encode())
        sent = 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                while sent < size:
                    writer.write(bytes(1 << 20))
                    await writer.drain()
                    sent += 1 << 20
        assert sent < size / 2, "the connection is full"
        goes_on.set()
        # The piece that was on its way is not written again.
        for _ in range(sent + (1 << 20), size, 1 << 20):
            writer.write(bytes(1 << 20))
            await writer.drain()
        assert (await reader.readline()).split()[1] == b"200"
        writer.close()


async def test_whoever_goes_away_in_the_middle_ends_it(socket: Path) -> None:
    taking = Taking(whole)
    async with served(taking, socket), asyncio.timeout(20):
        _, writer = await asyncio.open_unix_connection(str(socket))
        head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\n"
        writer.write(f"{head}content-length: 1000000\r\n\r\n".encode() + bytes(1000))
        await writer.drain()
        writer.close()
        await taking.ended.wait()
    assert isinstance(taking.fault, Cancelled)


@asynccontextmanager
async def peer(taking: Taking, path: Path) -> AsyncIterator[Any]:
    """The same by gRPC."""
    target = f"unix:{path}"
    server = RpcServer(
        Chain({SERVICE: taking}, Everyone()),
        address=target,
        internal=True,
        max_request_bytes=1 << 20,
    )
    await server.start()
    channel = PeerChannel("allocation_svc", target, lambda: "broker")
    try:
        yield volume_service_pb2_grpc.VolumeServiceStub(channel)  # type: ignore[arg-type]
    finally:
        await channel.close()
        await server.stop(0)


async def requests(count: int, held: asyncio.Event | None = None) -> AsyncIterator[Any]:
    yield Request(display_name="mine", archive={"data": b"x" * 1000})
    for _ in range(count - 1):
        yield Request(archive={"data": b"x" * 1000})
    if held is not None:
        await held.wait()


@pytest.mark.parametrize("count", [1, 3000])
async def test_a_stream_of_a_peer_arrives_whole(
    socket: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PeerChannel, "metadata", lambda _: (("authorization", "Bearer x"),))
    async with peer(Taking(whole), socket) as stub, asyncio.timeout(20):
        answer = await send(stub.UploadVolume, requests(count))
        assert answer.size_bytes == count * 1000


async def test_a_refusal_ends_a_stream_that_has_not_ended(
    socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuses(pieces: AsyncIterator[bytes]) -> None:
        await anext(pieces)
        raise Exhausted("Too much.", reason="VOLUME_TOO_LARGE")

    monkeypatch.setattr(PeerChannel, "metadata", lambda _: (("authorization", "Bearer x"),))
    async with peer(Taking(refuses), socket) as stub, asyncio.timeout(20):
        with pytest.raises(Exhausted) as caught:
            await send(stub.UploadVolume, requests(100_000))
        assert caught.value.reason == "VOLUME_TOO_LARGE"


async def test_what_the_sender_raises_ends_the_call_and_is_raised(
    socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks() -> AsyncIterator[Any]:
        yield Request(archive={"data": b"x"})
        raise KeyError("mine")

    taking = Taking(whole)
    monkeypatch.setattr(PeerChannel, "metadata", lambda _: (("authorization", "Bearer x"),))
    async with peer(taking, socket) as stub, asyncio.timeout(20):
        with pytest.raises(KeyError, match="mine"):
            await send(stub.UploadVolume, breaks())
        # As cancelled or as the end of the stream: grpc.aio tells them apart only mostly. What is sent
        # says by itself whether it is whole, as an archive does by its end.
        await taking.ended.wait()


async def test_an_empty_stream_is_refused(socket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def none() -> AsyncIterator[Any]:
        for one in ():
            yield one

    monkeypatch.setattr(PeerChannel, "metadata", lambda _: (("authorization", "Bearer x"),))
    async with peer(Taking(whole), socket) as stub, asyncio.timeout(20):
        with pytest.raises(Invalid):
            await send(stub.UploadVolume, none())
