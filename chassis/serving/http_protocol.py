"""HTTP/1.1 as uvicorn speaks it, with a bound on what comes before the body, and problem documents."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chassis.faults import Invalid
from chassis.identity.certificates import service_of_peer
from chassis.rest.problem import PROBLEM_JSON, problem_bytes

MAX_HEAD_BYTES = 64 << 10
"""The longest request line and headers together: tokens and cookies need a few thousand."""

MAX_HEADERS = 100
_GOODBYE_SECONDS = 0.5


class _Unreadable(Invalid):
    """What came is no HTTP request."""

    reason = "REQUEST_INVALID"


class _HeadTooLarge(Exception):
    """Ends the parsing of a request."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """Refuses requests whose head is too large, and hangs up where none comes.

    Args:
        head_seconds: how long a client may take to send the head of a request.
    """

    def __init__(self, *arguments: Any, head_seconds: float = 30.0, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_seconds = head_seconds
        self._head_late: asyncio.TimerHandle | None = None
        self._in_head = False
        self._head_bytes = 0
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody has connected."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            # Of every request and WebSocket on this connection.
            name = service_of_peer(tls.getpeercert())
            self.app_state = {**self.app_state, "certificate": name}
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """They have gone."""
        self._head_has_come()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes what came; a head that has not ended by then counts in whole pieces."""
        if self._refused:
            return
        super().data_received(data)
        if self._in_head and not (self._refused or self.transport.is_closing()):
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse_head()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        if self._head_late is None:
            self._await_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header is complete."""
        if len(self.headers) >= MAX_HEADERS:
            self._refuse_head()
            raise _HeadTooLarge
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._in_head = False
        self._head_has_come()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > MAX_HEAD_BYTES:
            self._refuse_head()
            raise _HeadTooLarge
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP with a problem document, then hangs up."""
        del msg
        if not self._refused:
            self._hang_up(400, "Bad Request", "What came is not an HTTP/1.1 request.")

    def _await_head(self) -> None:
        self._head_late = self.loop.call_later(self._head_seconds, self._give_up)

    def _head_has_come(self) -> None:
        if self._head_late is not None:
            self._head_late.cancel()
            self._head_late = None

    def _give_up(self) -> None:
        if self._refused or self.transport.is_closing():
            return
        if not self._in_head:
            # Browsers connect ahead; nothing was asked, so nothing is answered.
            self.transport.close()
        else:
            self._hang_up(
                408,
                "Request Timeout",
                f"No request has come within {self._head_seconds:g} seconds.",
            )

    def _refuse_head(self) -> None:
        self._hang_up(
            431,
            "Request Header Fields Too Large",
            f"The request line and headers have {MAX_HEAD_BYTES} bytes and {MAX_HEADERS} headers at "
            "most; send less.",
        )

    def _hang_up(self, status: int, words: str, why: str) -> None:
        fault = _Unreadable(why)
        fault.status = status  # type: ignore[attr-defined]  # problem documents look for it
        body = problem_bytes(fault, "")
        head = (
            f"HTTP/1.1 {status} {words}\r\ncontent-type: {PROBLEM_JSON}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        # Closed with data unread, a socket is reset, and the answer may be lost: read on a moment.
        self._refused = True
        self.loop.call_later(_GOODBYE_SECONDS, self.transport.close)
