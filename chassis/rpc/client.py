"""Calling peers: who calls, for whom, until when, and what went wrong, in one place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar, cast

import grpc

from chassis.identity.certificates import Certificates
from chassis.rpc.breaker import Breaker
from chassis.rpc.call import current_call, shaved
from chassis.rpc.connection import Connection
from chassis.rpc.repeating import is_repeatable
from chassis.rpc.status import fault_of, said_by_peer
from chassis.telemetry import child_of

T = TypeVar("T")

SERVICE_TOKEN_KEY = "x-allocator-service-token"  # noqa: S105 — a header's name
# Who has less time than this does not learn whether a peer is away or only not that fast.
_FAIR_SECONDS = 1.0


class PeerChannel:
    """A channel to a peer, which generated stubs take for one of grpc.aio.

    It adds to each call our service token, the token of the person on whose behalf we work, and the
    trace. A peer in another process may have replicas: calls go in turn to those that say of themselves
    that they are well, what may be repeated is tried again, and a peer that is away is not asked for a
    moment. A peer in this process is called over a socket, without any of that.
    """

    def __init__(
        self,
        peer: str,
        target: str,
        mint: Callable[[], str],
        *,
        certificates: Certificates | None = None,
    ) -> None:
        """Opens lazily: connecting begins with the first call.

        Args:
            peer: the service at the other end, `docker_svc`. Its certificate must be that service's,
                wherever the target is.
            target: its gRPC target: all its replicas, or one of them as `host:port`.
            mint: makes a service token of ours.
            certificates: our own, for TLS; followed while the channel is open. Not used on a socket.
        """
        self.peer = peer
        self.is_here = target.startswith("unix:")
        self.breaker = None if self.is_here else Breaker(peer)
        self._target = target
        self._mint = mint
        self._certificates = None if self.is_here else certificates
        self._repeatable: set[str] = set()
        self._connection: Connection | None = None
        self._retired: set[Connection] = set()
        self._closing: set[asyncio.Task[None]] = set()

    def unary_unary(self, path: str, *parts: Any, **named: Any) -> PeerMethod:
        """As grpc.aio.Channel's."""
        return self._method("unary_unary", path, parts, named)

    def unary_stream(self, path: str, *parts: Any, **named: Any) -> PeerMethod:
        """As grpc.aio.Channel's."""
        return self._method("unary_stream", path, parts, named)

    def stream_unary(self, path: str, *parts: Any, **named: Any) -> PeerMethod:
        """As grpc.aio.Channel's."""
        return self._method("stream_unary", path, parts, named)

    def stream_stream(self, path: str, *parts: Any, **named: Any) -> PeerMethod:
        """As grpc.aio.Channel's."""
        return self._method("stream_stream", path, parts, named)

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

    def connection(self) -> Connection:
        """What a call that begins now goes over: a new one where our certificate has changed."""
        present = self._connection
        if present is not None:
            if self._certificates is None or present.certificate is self._certificates.current():
                return present
            self._retire(present)
        certificate = self._certificates.current() if self._certificates is not None else None
        made = Connection(
            self.peer, self._target, certificate, None if self.is_here else self._repeatable
        )
        self._connection = made
        return made

    async def close(self) -> None:
        """Ends every call and the connection."""
        open_now = [*self._retired, *([self._connection] if self._connection else [])]
        self._connection = None
        self._retired.clear()
        for connection in open_now:
            await connection.close()
        if self._closing:
            await asyncio.wait(self._closing)

    def _method(
        self, kind: str, path: str, parts: tuple[Any, ...], named: dict[str, Any]
    ) -> PeerMethod:
        if not self.is_here and path not in self._repeatable and is_repeatable(path):
            self._repeatable.add(path)
            if self._connection is not None:
                # It was told of the methods that there were: the next call opens one that knows more.
                self._retire(self._connection)
                self._connection = None
        return PeerMethod(self, lambda channel: getattr(channel, kind)(path, *parts, **named))

    def _retire(self, connection: Connection) -> None:
        """Lets the calls on a connection go on to their end, and closes it then."""
        self._retired.add(connection)
        connection.when_idle(lambda: self._close_retired(connection))

    def _close_retired(self, connection: Connection) -> None:
        if connection in self._retired:
            self._retired.discard(connection)
            closing = asyncio.ensure_future(connection.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)


class PeerMethod:
    """One method of a peer."""

    __slots__ = ("_connection", "_make", "_method", "channel")

    def __init__(self, channel: PeerChannel, make: Callable[[grpc.aio.Channel], Any]) -> None:
        """Keeps how to make grpc's own callable, which belongs to one connection."""
        self.channel = channel
        self._make = make
        self._connection: Connection | None = None
        self._method: Any = None

    def __call__(self, request: Any, *, timeout: float | None = None) -> Any:
        """Begins a call."""
        connection = self.channel.connection()
        if connection is not self._connection:
            self._method = self._make(connection.channel)
            self._connection = connection
        call = self._method(request, timeout=timeout, metadata=self.channel.metadata())
        if not self.channel.is_here:
            connection.began(call)
        return call


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
        timeout = min(timeout, shaved(call.remaining()))
    breaker = method.channel.breaker
    if breaker is not None:
        return await _ask_guarded(method, request, timeout, breaker)
    try:
        return await method(request, timeout=timeout)
    except grpc.aio.AioRpcError as error:
        raise fault_of(error, method.channel.peer) from None


async def _ask_guarded(method: PeerMethod, request: Any, timeout: float, breaker: Breaker) -> Any:
    trial = breaker.enter()
    try:
        answer = await method(request, timeout=timeout)
    except grpc.aio.AioRpcError as error:
        if said_by_peer(error) is not None and error.code() is not _LATE:
            breaker.answered()
        elif error.code() not in _SILENT or (error.code() is _LATE and timeout < _FAIR_SECONDS):
            breaker.gave_up(trial=trial)
        else:
            breaker.silent(error.details() or error.code().name, trial=trial)
        raise fault_of(error, method.channel.peer) from None
    except BaseException:
        breaker.gave_up(trial=trial)
        raise
    breaker.answered()
    return answer


async def follow(
    rpc: Callable[..., Any], request: Any, *, timeout: float | None = None
) -> AsyncIterator[Any]:
    """Calls a streaming method of a peer and yields what it sends.

    Close the iterator (`aclosing`) or let its task be cancelled to end the call. Whoever follows begins
    again after a pause of its own, so a stream is tried even where the peer seems to be away; its first
    message shows that it is back.

    Args:
        rpc: the stub's method.
        request: its request.
        timeout: how long the stream may last, in seconds; None for no limit.

    Raises:
        Fault: what the peer said, or that it went away.
    """
    method = cast("PeerMethod", rpc)
    breaker = method.channel.breaker
    stream = method(request, timeout=timeout)
    try:
        async for response in stream:
            if breaker is not None:
                breaker.answered()
                breaker = None
            yield response
    except grpc.aio.AioRpcError as error:
        raise fault_of(error, method.channel.peer) from None
    finally:
        stream.cancel()


async def send(
    rpc: Callable[..., Any], requests: AsyncIterator[Any], *, timeout: float | None = None
) -> Any:
    """Calls a method of a peer that takes a stream, and waits for its answer.

    The next request is asked for once the connection has taken the one before. Where the peer answers
    before the end, the rest is not asked for.

    Args:
        rpc: the stub's method.
        requests: what to send. What it raises ends the call, and is raised here.
        timeout: how long all of it may last, in seconds; None for no limit.

    Raises:
        Fault: what the peer said, or that it went away.
    """
    method = cast("PeerMethod", rpc)
    stream = method(None, timeout=timeout)
    # A write that fails a moment after the peer has answered puts INTERNAL in the place of what it said
    # (grpc.aio 1.85): so that is kept as it comes.
    said: list[grpc.aio.AioRpcError] = []
    stream.add_done_callback(lambda ended: said.append(_error_now(ended)))
    try:
        # Where the peer has said something already, nothing can be written: what it said comes below.
        with suppress(asyncio.InvalidStateError, grpc.aio.AioRpcError):
            async for request in requests:
                await stream.write(request)
            await stream.done_writing()
        return await stream
    except grpc.aio.AioRpcError as error:
        by_peer = (one for one in (*said, error) if said_by_peer(one) is not None)
        raise fault_of(next(by_peer, error), method.channel.peer) from None
    finally:
        stream.cancel()


def _error_now(ended: grpc.aio.Call) -> grpc.aio.AioRpcError:
    """How a call has ended, as it is known at this moment."""
    return grpc.aio.AioRpcError(
        _at_once(ended.code()),
        grpc.aio.Metadata(),
        _at_once(ended.trailing_metadata()) or grpc.aio.Metadata(),
        _at_once(ended.details()),
    )


def _at_once(known: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns that waits for nothing."""
    try:
        known.send(None)
    except StopIteration as done:
        return cast("T", done.value)
    known.close()
    raise AssertionError("a call that has ended knows how")


_LATE = grpc.StatusCode.DEADLINE_EXCEEDED
_SILENT = (_LATE, grpc.StatusCode.UNAVAILABLE)
