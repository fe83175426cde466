"""Server streams over HTTP: server-sent events, NDJSON, or the bytes of `google.api.HttpBody`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Protocol, cast

from google.protobuf.message import Message
from starlette.types import Receive, Send

from chassis.faults import Fault
from chassis.rest.incoming import quality
from chassis.rest.problem import problem_bytes

SETTLE_SECONDS = 1.0
"""How long a stream may say nothing before its headers are sent anyway. A fault before that still
gets an HTTP status of its own."""

HEARTBEAT_SECONDS = 15.0
"""How long an event stream is silent at most: proxies end connections that look dead."""


class Framing(Protocol):
    """How messages become bytes of a body."""

    media_type: bytes
    heartbeat: bytes

    def message(self, message: Message) -> bytes:
        """The bytes of one message."""

    def fault(self, fault: Fault, path: str) -> bytes:
        """The last bytes, where the stream fails; empty where the connection has to be cut."""

    def end(self) -> bytes:
        """The last bytes, where the stream ends well."""


class ServerSentEvents:
    """`data: {…}` a message; `event: error` with a problem document, or `event: end`, at the end.

    Browsers open an event stream again when it ends, unless they are told by `end` not to.
    """

    media_type = b"text/event-stream"
    heartbeat = b":\n\n"

    def __init__(self, encode: Callable[[Message], bytes]) -> None:
        self._encode = encode

    def message(self, message: Message) -> bytes:
        """One event without a name."""
        return b"data: " + self._encode(message) + b"\n\n"

    def fault(self, fault: Fault, path: str) -> bytes:
        """The event `error`."""
        return b"event: error\ndata: " + problem_bytes(fault, path) + b"\n\n"

    def end(self) -> bytes:
        """The event `end`."""
        return b"event: end\ndata: {}\n\n"


class JsonLines:
    """One JSON object a line; a last line `{"error": {…}}` with a problem document on a fault.

    There is no heartbeat: a reader of lines expects JSON in each.
    """

    media_type = b"application/x-ndjson"
    heartbeat = b""

    def __init__(self, encode: Callable[[Message], bytes]) -> None:
        self._encode = encode

    def message(self, message: Message) -> bytes:
        """One line."""
        return self._encode(message) + b"\n"

    def fault(self, fault: Fault, path: str) -> bytes:
        """The line `{"error": …}`."""
        return b'{"error":' + problem_bytes(fault, path) + b"}\n"

    def end(self) -> bytes:
        """Nothing: the body ends."""
        return b""


class RawBody:
    """The data of `google.api.HttpBody` messages; the first one says the media type.

    A fault in the middle cuts the connection: the bytes themselves cannot tell that they are not all.
    """

    media_type = b"application/octet-stream"
    heartbeat = b""

    def message(self, message: Message) -> bytes:
        """The message's data."""
        return cast("bytes", cast("Any", message).data)

    def fault(self, fault: Fault, path: str) -> bytes:
        """Nothing."""
        del fault, path
        return b""

    def end(self) -> bytes:
        """Nothing: the body ends."""
        return b""


class StreamCut(Exception):
    """A body of raw bytes failed in the middle; the server cuts the connection."""


def framing_for(accept: str, encode: Callable[[Message], bytes], *, is_raw: bool) -> Framing:
    """The framing that the client asks for; server-sent events where it does not say.

    Args:
        accept: the `Accept` header.
        encode: from a message to JSON without line feeds.
        is_raw: whether the messages are `google.api.HttpBody`.
    """
    if is_raw:
        return RawBody()
    lines = max(
        quality(accept, "application/x-ndjson"),
        quality(accept, "application/ndjson"),
        quality(accept, "application/jsonl"),
    )
    if lines > quality(accept, "text/event-stream"):
        return JsonLines(encode)
    return ServerSentEvents(encode)


class StreamAnswer:
    """Sends one stream to one client.

    The next message is asked for once the connection has taken the one before, so a slow client
    slows its own stream and nothing grows. When the client goes, the stream is cancelled.
    """

    def __init__(
        self,
        framing: Framing,
        answers: AsyncIterator[Message | bytes],
        parse: Callable[[bytes], Message],
        headers: Callable[[], list[tuple[bytes, bytes]]],
        mask: Callable[[Exception], Fault],
        *,
        path: str,
        heartbeat: float = HEARTBEAT_SECONDS,
        settle: float = SETTLE_SECONDS,
    ) -> None:
        """Prepares an answer.

        Args:
            framing: how messages become bytes.
            answers: the stream; messages, or bytes of messages.
            parse: from bytes to a message.
            headers: the headers beside the media type, asked for when they are sent.
            mask: from a bug to the fault that the client is told.
            path: the path that was asked for.
            heartbeat: seconds of silence at most.
            settle: seconds after which the headers are sent anyway.
        """
        self._framing = framing
        self._answers = answers
        self._parse = parse
        self._headers = headers
        self._mask = mask
        self._path = path
        self._heartbeat = heartbeat
        self._settle = settle
        self._started = False
        self._last_sent = 0.0
        self._sending = asyncio.Lock()

    async def serve(self, receive: Receive, send: Send) -> None:
        """Sends the stream until it ends or the client goes.

        Raises:
            Fault: the stream failed before anything was sent.
            StreamCut: raw bytes failed in the middle.
        """
        pump = asyncio.ensure_future(self._pump(send))
        watch = asyncio.ensure_future(_until_gone(receive))
        beats = asyncio.ensure_future(self._beat(send))
        try:
            await asyncio.wait((pump, watch), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (pump, watch, beats):
                task.cancel()
            await asyncio.gather(pump, watch, beats, return_exceptions=True)
        if not pump.cancelled() and (error := pump.exception()) is not None:
            raise error

    async def _pump(self, send: Send) -> None:
        try:
            await self._send_all(send)
        except Exception as error:  # noqa: BLE001
            fault = error if isinstance(error, Fault) else self._mask(error)
            if not self._started:
                raise fault from None
            last = self._framing.fault(fault, self._path)
            if not last:
                raise StreamCut from fault
            await self._send(send, last, is_last=True)

    async def _send_all(self, send: Send) -> None:
        framing = self._framing
        async with aclosing(cast("Any", self._answers)) as answers:
            async for answer in answers:
                message = self._parse(answer) if isinstance(answer, bytes) else answer
                await self._send(send, framing.message(message), message)
        await self._send(send, framing.end(), is_last=True)

    async def _beat(self, send: Send) -> None:
        """Sends the headers once the stream has settled, and a sign of life in each silence."""
        await asyncio.sleep(self._settle)
        if not self._started and not isinstance(self._framing, RawBody):
            await self._send(send, self._framing.heartbeat)
        if not self._framing.heartbeat:
            return
        while True:
            silence = time.monotonic() - self._last_sent
            await asyncio.sleep(max(self._heartbeat - silence, 0.001))
            if time.monotonic() - self._last_sent >= self._heartbeat:
                await self._send(send, self._framing.heartbeat)

    async def _send(
        self, send: Send, body: bytes, message: Message | None = None, *, is_last: bool = False
    ) -> None:
        async with self._sending:
            if not self._started:
                self._started = True
                media_type = self._framing.media_type
                if isinstance(self._framing, RawBody) and message is not None:
                    said = cast("Any", message).content_type
                    media_type = said.encode("latin-1", "replace") if said else media_type
                headers = [(b"content-type", media_type), *self._headers()]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
            self._last_sent = time.monotonic()
            await send({"type": "http.response.body", "body": body, "more_body": not is_last})


async def _until_gone(receive: Receive) -> None:
    event: Mapping[str, Any] = {}
    while event.get("type") != "http.disconnect":
        event = await receive()
