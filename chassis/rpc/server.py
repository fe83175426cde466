"""gRPC servers over the chain."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from chassis.faults import Fault, Invalid
from chassis.rpc.call import Call
from chassis.rpc.chain import Chain
from chassis.rpc.contract import Method
from chassis.rpc.status import CODES, DETAILS_KEY, status_of
from chassis.telemetry import child_of

_MOST_INTERNAL_BYTES = 16 << 20
_DEFAULT_SECONDS = 30.0


class _Dispatch(grpc.GenericRpcHandler):
    """Finds the handler of a method; handlers are made once."""

    def __init__(self, chain: Chain, methods: Sequence[Method]) -> None:
        self._handlers: dict[str, Any] = {
            method.path: grpc.unary_stream_rpc_method_handler(_streaming(chain, method))
            if method.streams
            else grpc.unary_unary_rpc_method_handler(_unary(chain, method))
            for method in methods
        }

    def service(self, handler_call_details: Any) -> Any:
        """The handler of the method that is called; None where there is none."""
        return self._handlers.get(handler_call_details.method)


class RpcServer:
    """One listener: the public one, or the internal one that also serves our own services."""

    def __init__(
        self, chain: Chain, *, address: str, internal: bool, max_request_bytes: int
    ) -> None:
        """Prepares a server; it listens from `start` on.

        Args:
            chain: serves the calls.
            address: `host:port` (port 0 for any) or `unix:path`.
            internal: whether internal methods are served too.
            max_request_bytes: larger requests are refused with RESOURCE_EXHAUSTED.
        """
        methods = [m for m in chain.methods() if internal or m.is_public]
        self._names = sorted({m.service for m in methods})
        self._said = {"", *self._names}
        most = _MOST_INTERNAL_BYTES if internal else max_request_bytes
        self._server = grpc.aio.server(
            options=(
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", most),
                ("grpc.max_send_message_length", _MOST_INTERNAL_BYTES),
                ("grpc.max_metadata_size", 32 << 10),
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            )
        )
        self._server.add_generic_rpc_handlers((_Dispatch(chain, methods),))
        self._health = HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            [
                *self._names,
                health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
                reflection.SERVICE_NAME,
            ],
            self._server,
        )
        self.port = self._server.add_insecure_port(address)

    async def start(self) -> None:
        """Begins to listen; health says NOT_SERVING."""
        await self.set_ready(())
        await self._server.start()

    async def set_ready(self, services: Collection[str]) -> None:
        """Says through health to which services calls shall come.

        Args:
            services: by their full names of the contract and, for our own clients, their short ones,
                `user_svc`; all others are NOT_SERVING, and the server as a whole where none is given.
        """
        response = health_pb2.HealthCheckResponse
        self._said |= set(services)
        for name in self._said:
            is_ready = name in services or (not name and bool(services))
            await self._health.set(name, response.SERVING if is_ready else response.NOT_SERVING)

    async def stop(self, grace_seconds: float) -> None:
        """Takes no new call, and ends those that have not ended after the grace."""
        await self._server.stop(grace_seconds)


def _unary(chain: Chain, method: Method) -> Callable[[bytes, Any], Any]:
    parse = method.request.FromString

    async def serve(raw: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        call = _call(method, context)
        try:
            answer = await chain.unary(call, _parsed(parse, raw))
        except Fault as fault:
            await _abort(context, fault)
            raise
        if call.response_headers:
            await context.send_initial_metadata(_headers(call))
        return answer if isinstance(answer, bytes) else answer.SerializeToString()

    return serve


def _streaming(chain: Chain, method: Method) -> Callable[[bytes, Any], Any]:
    parse = method.request.FromString

    async def serve(
        raw: bytes, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[bytes]:
        call = _call(method, context)
        answers = None
        try:
            answers = chain.stream(call, _parsed(parse, raw))
            async for answer in answers:
                yield answer if isinstance(answer, bytes) else answer.SerializeToString()
        except Fault as fault:
            await _abort(context, fault)
            raise
        finally:
            if answers is not None:
                await answers.aclose()  # type: ignore[attr-defined]

    return serve


def _parsed(parse: Callable[[bytes], Message], raw: bytes) -> Message:
    try:
        return parse(raw)
    except DecodeError:
        raise Invalid("The request is not a message of the type that the method takes.") from None


def _call(method: Method, context: grpc.aio.ServicerContext[Any, Any]) -> Call:
    metadata = {
        key: value if isinstance(value, str) else ""
        for key, value in context.invocation_metadata() or ()
    }
    remaining = context.time_remaining()
    if remaining is None or remaining > 1e9:
        remaining = math.inf if method.streams else _DEFAULT_SECONDS
    return Call(
        method=method,
        metadata=metadata,
        address=_address(context.peer()),
        deadline=time.monotonic() + remaining,
        protocol="grpc",
        trace=child_of(metadata.get("traceparent")),
    )


def _address(peer: str) -> str:
    """The network address in what gRPC says of a peer, `ipv4:127.0.0.1:4711`."""
    scheme, _, rest = unquote(peer).partition(":")
    if scheme in ("ipv4", "ipv6"):
        return rest.rpartition(":")[0].strip("[]")
    return scheme


def _headers(call: Call) -> tuple[tuple[str, str], ...]:
    # A cookie is HTTP's; a gRPC client has the token in its answer.
    return tuple((k.lower(), v) for k, v in call.response_headers if k.lower() != "set-cookie")


async def _abort(context: grpc.aio.ServicerContext[Any, Any], fault: Fault) -> None:
    details = status_of(fault).SerializeToString()
    await context.abort(CODES[fault.kind], fault.message, ((DETAILS_KEY, details),))
