"""Calling peers: who calls, for whom, until when, and what went wrong, in one place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar, cast

import grpc

from chassis.rpc.call import current_call
from chassis.rpc.status import fault_of
from chassis.telemetry import child_of

Response = TypeVar("Response")

SERVICE_TOKEN_KEY = "x-allocator-service-token"  # noqa: S105 — a header's name
_MOST_BYTES = 16 << 20


class PeerChannel:
    """A channel to a peer, which generated stubs take for one of grpc.aio.

    It adds to each call our service token, the token of the person on whose behalf we work, and the
    trace.
    """

    def __init__(self, peer: str, target: str, mint: Callable[[], str]) -> None:
        """Opens lazily: connecting begins with the first call.

        Args:
            peer: the service at the other end, `docker_svc`.
            target: its gRPC target.
            mint: makes a service token of ours.
        """
        self.peer = peer
        self._mint = mint
        self._channel = grpc.aio.insecure_channel(
            target,
            options=(
                ("grpc.max_receive_message_length", _MOST_BYTES),
                ("grpc.max_send_message_length", _MOST_BYTES),
                # Peers start in any order: look again soon, not after a minute.
                ("grpc.initial_reconnect_backoff_ms", 50),
                ("grpc.max_reconnect_backoff_ms", 1000),
                ("grpc.use_local_subchannel_pool", 1),
            ),
        )

    def unary_unary(self, path: str, *parts: Any, **named: Any) -> PeerMethod:
        """As grpc.aio.Channel's."""
        return PeerMethod(self, self._channel.unary_unary(path, *parts, **named))

    def unary_stream(self, path: str, *parts: Any, **named: Any) -> PeerMethod:
        """As grpc.aio.Channel's."""
        return PeerMethod(self, self._channel.unary_stream(path, *parts, **named))

    def stream_unary(self, path: str, *parts: Any, **named: Any) -> PeerMethod:
        """As grpc.aio.Channel's."""
        return PeerMethod(self, self._channel.stream_unary(path, *parts, **named))

    def stream_stream(self, path: str, *parts: Any, **named: Any) -> PeerMethod:
        """As grpc.aio.Channel's."""
        return PeerMethod(self, self._channel.stream_stream(path, *parts, **named))

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes along with a call that begins now."""
        call = current_call.get()
        sent = [
            (SERVICE_TOKEN_KEY, self._mint()),
            ("traceparent", child_of(call.trace if call else None)),
        ]
        if call is not None and call.caller.token:
            sent.append(("authorization", f"Bearer {call.caller.token}"))
        return tuple(sent)

    async def close(self) -> None:
        """Ends every call and the connection."""
        await self._channel.close()


class PeerMethod:
    """One method of a peer."""

    __slots__ = ("_method", "channel")

    def __init__(self, channel: PeerChannel, method: Any) -> None:
        """Keeps the channel's own callable."""
        self.channel = channel
        self._method = method

    def __call__(self, request: Any, *, timeout: float | None = None) -> Any:
        """Begins a call."""
        return self._method(request, timeout=timeout, metadata=self.channel.metadata())


async def ask(rpc: Callable[..., Any], request: Any, *, timeout: float) -> Any:
    """Calls a method of a peer and waits for its answer.

    Args:
        rpc: the stub's method, `stub.GetMachine`.
        request: its request.
        timeout: how long to wait at most, in seconds; less where our own caller waits less.

    Raises:
        Fault: what the peer said, or that it did not answer.
    """
    method = cast("PeerMethod", rpc)
    call = current_call.get()
    if call is not None:
        timeout = min(timeout, call.remaining())
    try:
        return await method(request, timeout=timeout)
    except grpc.aio.AioRpcError as error:
        raise fault_of(error, method.channel.peer) from None


async def follow(
    rpc: Callable[..., Any], request: Any, *, timeout: float | None = None
) -> AsyncIterator[Any]:
    """Calls a streaming method of a peer and yields what it sends.

    Close the iterator (`aclosing`) or let its task be cancelled to end the call.

    Args:
        rpc: the stub's method.
        request: its request.
        timeout: how long the stream may last, in seconds; None for no limit.

    Raises:
        Fault: what the peer said, or that it went away.
    """
    method = cast("PeerMethod", rpc)
    stream = method(request, timeout=timeout)
    try:
        async for response in stream:
            yield response
    except grpc.aio.AioRpcError as error:
        raise fault_of(error, method.channel.peer) from None
    finally:
        stream.cancel()
