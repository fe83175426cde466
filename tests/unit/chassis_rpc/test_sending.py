"""Sending a stream to a peer that has answered before its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from allocator.containers.v1 import volume_pb2

from chassis.faults import Exhausted
from chassis.rpc import send
from chassis.rpc.client import PeerChannel
from chassis.rpc.status import DETAILS_KEY, status_of

METHOD = "/allocator.containers.v1.ContainerService/ImportVolume"
PIECE = volume_pb2.ImportVolumeRequest(data=bytes(64 << 10))
ROUNDS = 150


class Refusing(grpc.GenericRpcHandler):
    """Takes one piece, and says that it is too much."""

    def service(self, details: Any) -> Any:
        """Of every method."""
        del details

        async def refuse(requests: AsyncIterator[bytes], context: Any) -> bytes:
            await anext(aiter(requests))
            fault = Exhausted("That is too much.", reason="VOLUME_TOO_LARGE")
            status = status_of(fault)
            context.set_trailing_metadata(((DETAILS_KEY, status.SerializeToString()),))
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, fault.message)
            return b""

        return grpc.stream_unary_rpc_method_handler(refuse)


async def endless() -> AsyncIterator[volume_pb2.ImportVolumeRequest]:
    while True:
        yield PIECE


async def test_what_it_said_is_heard_however_much_was_on_its_way(tmp_path: Path) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Refusing(),))
    server.add_insecure_port(f"unix:{tmp_path}/peer.sock")
    await server.start()
    channel = PeerChannel("docker_svc", f"unix:{tmp_path}/peer.sock", lambda: "token")
    rpc = channel.stream_unary(
        METHOD,
        request_serializer=volume_pb2.ImportVolumeRequest.SerializeToString,
        response_deserializer=volume_pb2.ImportVolumeResponse.FromString,
    )
    try:
        for _ in range(ROUNDS):
            with pytest.raises(Exhausted, match="too much") as refused:
                await send(rpc, endless())
            assert refused.value.reason == "VOLUME_TOO_LARGE"
    finally:
        await channel.close()
        await server.stop(0)
