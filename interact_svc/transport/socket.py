"""The console's WebSocket."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import orjson
from allocator.consoles.v1 import frame_pb2
from google.protobuf.json_format import ParseDict, ParseError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from chassis.clock import Clock
from chassis.faults import Fault, Kind
from chassis.identity.caller import Caller
from chassis.rpc import Call, Method, current_call
from chassis.rpc.chain import check_scope, validate
from chassis.telemetry import child_of, log
from interact_svc.domain.faults import FrameInvalid, TooManyFrames, TrustStale
from interact_svc.domain.frames import Bye
from interact_svc.domain.limits import Limits
from interact_svc.transport.mapping import FrameMapping, line_filter
from interact_svc.usecases.consoles import NEWEST_LINES, Console, Consoles

_RESUME_WAIT_SECONDS = 0.25
_SEND_SECONDS = 60.0
_CLOSE_CODES = {
    Kind.INVALID: 1008,
    Kind.UNAUTHENTICATED: 4401,
    Kind.FORBIDDEN: 4403,
    Kind.NOT_FOUND: 4404,
    Kind.EXHAUSTED: 4429,
    Kind.UNAVAILABLE: 1012,
    Kind.DEADLINE: 1012,
}


class ConsoleSocket:
    """Serves consoles over WebSocket: one instance for all of them."""

    def __init__(
        self,
        consoles: Consoles,
        mapping: FrameMapping,
        method: Method,
        *,
        verify: Callable[[str], Caller],
        is_revoked: Callable[[Caller], Fault | None],
        is_fresh: Callable[[], bool],
        clock: Clock,
        limits: Limits,
    ) -> None:
        """Keeps what it serves from.

        Args:
            consoles: opens consoles.
            mapping: renders frames.
            method: FollowConsole, whose rule the socket follows.
            verify: tells the person whose access token it is.
            is_revoked: why a caller's token is refused by now.
            is_fresh: whether revocations are known.
            clock: the time.
            limits: what a client may do.
        """
        self._consoles = consoles
        self._mapping = mapping
        self._method = method
        self._verify = verify
        self._is_revoked = is_revoked
        self._is_fresh = is_fresh
        self._clock = clock
        self._limits = limits
        self._log = log("interact_svc.socket")
        self._sending: dict[asyncio.Task[object], float] = {}

    async def run(self) -> None:
        """Lets go of clients that have taken nothing for a minute; one timer minds all of them."""
        while True:
            await self._clock.sleep(_SEND_SECONDS / 10)
            now = self._clock.monotonic()
            for task, began in list(self._sending.items()):
                if now - began > _SEND_SECONDS:
                    self._log.info("client is stuck")
                    task.cancel()

    async def serve(self, socket: WebSocket) -> None:
        """Serves one socket until either side ends it."""
        await socket.accept()
        try:
            await self._console(socket)
        except Fault as fault:
            await self._goodbye(socket, fault)
        except WebSocketDisconnect:
            pass

    async def _console(self, socket: WebSocket) -> None:
        frames = ClientFrames(socket, self._limits, self._clock)
        try:
            async with asyncio.timeout(self._limits.auth_seconds):
                first = await frames.next()
        except TimeoutError:
            raise FrameInvalid("Say who you are: send `auth` as the first frame.") from None
        if not first.HasField("auth"):
            raise FrameInvalid("Send `auth` as the first frame.")
        caller = self._identified(first.auth.token)
        allocation = self._allocation(socket, first.auth)
        self._act_for(caller, socket)
        async with self._consoles.open(allocation, caller, self._is_revoked) as console:
            self._log.info("console opened", allocation=allocation, user=caller.user)
            me = asyncio.current_task()
            assert me is not None
            reading = asyncio.create_task(
                self._read(console, frames, caller), name="interact_svc.reading"
            )
            try:
                await self._write(socket, console, reading)
            finally:
                reading.cancel()
                self._sending.pop(me, None)
                with suppress(asyncio.CancelledError, WebSocketDisconnect):
                    await reading
                self._log.info("console closed", allocation=allocation, user=caller.user)

    async def _write(
        self, socket: WebSocket, console: Console, reading: asyncio.Task[None]
    ) -> None:
        me = asyncio.current_task()
        assert me is not None
        async for frame in console.frames():
            if reading.done() and (reading.cancelled() or reading.exception() is not None):
                return  # the client has gone; where it was refused, a `Bye` comes that says why
            if isinstance(frame, Bye):
                raise frame.fault
            text = self._mapping.text(frame)
            self._sending[me] = self._clock.monotonic()
            await socket.send({"type": "websocket.send", "text": text})
            del self._sending[me]

    async def _read(self, console: Console, frames: ClientFrames, caller: Caller) -> None:
        """Takes what the client says until it goes away."""
        try:
            await self._first_place(console, frames, caller)
            while True:
                await self._take(console, await frames.next(), caller)
        except Fault as fault:
            console.end(fault)
        except WebSocketDisconnect:
            console.end(FrameInvalid("The client has gone."))
            raise

    async def _first_place(self, console: Console, frames: ClientFrames, caller: Caller) -> None:
        """Waits a moment for where to begin; at the newest lines where the client does not say."""
        next_frame = asyncio.ensure_future(frames.next())
        try:
            done, _ = await asyncio.wait({next_frame}, timeout=_RESUME_WAIT_SECONDS)
            if not done:
                console.resume(NEWEST_LINES)
            frame = await next_frame
        finally:
            next_frame.cancel()
        if done and not frame.HasField("resume"):
            console.resume(NEWEST_LINES)
        await self._take(console, frame, caller)

    async def _take(self, console: Console, frame: frame_pb2.ClientFrame, caller: Caller) -> None:
        if frame.HasField("resume"):
            console.resume(frame.resume.cursor)
        elif frame.HasField("filter"):
            console.narrow(line_filter(frame.filter))
        else:
            renewed = self._identified(frame.auth.token)
            if renewed.user != caller.user:
                raise FrameInvalid("Open a socket of its own for another person.")
            self._act_for(renewed)
            await self._consoles.authorise(console.hello().allocation)
            console.renew(renewed)

    def _identified(self, token: str) -> Caller:
        if not self._is_fresh():
            raise TrustStale(
                "It is not known at present which tokens are revoked; try again.", retry_after=5.0
            )
        caller = self._verify(token)
        check_scope(self._method, caller)
        return caller

    def _act_for(self, caller: Caller, socket: WebSocket | None = None) -> None:
        """Has the calls of this task carry the person's token."""
        before = current_call.get()
        trace = socket.headers.get("traceparent") if socket else before.trace if before else None
        current_call.set(
            Call(
                method=self._method,
                metadata={},
                address=socket.client.host if socket and socket.client else "",
                deadline=math.inf,
                protocol="http",
                caller=caller,
                trace=child_of(trace),
            )
        )

    def _allocation(self, socket: WebSocket, auth: frame_pb2.Auth) -> str:
        in_path = socket.path_params.get("allocation")
        if in_path:
            name = f"allocations/{in_path}"
            if auth.allocation not in ("", name):
                raise FrameInvalid("The address and `auth` name different allocations.")
            return name
        if not auth.allocation:
            raise FrameInvalid("Name the allocation in `auth`.")
        return str(auth.allocation)

    async def _goodbye(self, socket: WebSocket, fault: Fault) -> None:
        if socket.application_state is not WebSocketState.CONNECTED:
            return
        with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
            async with asyncio.timeout(1.0):
                await socket.send_text(self._mapping.text(Bye(fault)))
                await socket.close(_CLOSE_CODES.get(fault.kind, 1011), fault.reason)


class ClientFrames:
    """What a client sends, read and checked."""

    def __init__(self, socket: WebSocket, limits: Limits, clock: Clock) -> None:
        """Keeps the socket and the limits."""
        self._socket = socket
        self._limits = limits
        self._clock = clock
        self._times: deque[float] = deque(maxlen=limits.frames_per_second)

    async def next(self) -> frame_pb2.ClientFrame:
        """The next frame.

        Raises:
            FrameInvalid: it cannot be read.
            TooManyFrames: the client sends more than it may.
            WebSocketDisconnect: the client has gone.
        """
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        raw = message.get("text")
        if raw is None:
            raise FrameInvalid("Frames are JSON text, not bytes.")
        self._count()
        if len(raw) > self._limits.max_frame_bytes:
            raise FrameInvalid(f"A frame has {self._limits.max_frame_bytes} bytes at most.")
        try:
            read = ParseDict(orjson.loads(raw), frame_pb2.ClientFrame(), max_recursion_depth=10)
        except (orjson.JSONDecodeError, ParseError, ValueError, TypeError, AttributeError):
            raise FrameInvalid(
                "The frame cannot be read; see the contract's ClientFrame."
            ) from None
        validate(read)
        return read

    def _count(self) -> None:
        now = self._clock.monotonic()
        if len(self._times) == self._times.maxlen and now - self._times[0] < 1.0:
            raise TooManyFrames(
                f"A client sends {self._limits.frames_per_second} frames a second at most.",
                retry_after=1.0,
            )
        self._times.append(now)
