"""A real HTTP server of a test's own: it keeps what it is sent, and answers as it is told to."""

from __future__ import annotations

import contextlib
import queue
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Asked:
    """What the server was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What it answers; `hangs` until the endpoint is told to let go."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    hangs: bool = False


class HttpEndpoint:
    """`with HttpEndpoint() as endpoint:` listens on 127.0.0.1 at `endpoint.port`.

    Args:
        answer: gives the reply to each request.
        tls: with the certificate that it shows; None for plain HTTP.
    """

    def __init__(
        self,
        answer: Callable[[Asked], Reply] = lambda _asked: Reply(),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answer = answer
        self.had: list[Asked] = []
        self.sent = 0
        """How many bytes of bodies went out."""
        self._arrived: queue.Queue[Asked] = queue.Queue()
        self._let_go = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = int(self._server.server_address[1])
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def next(self, within: float = 20.0) -> Asked:
        """The next request; waits for it."""
        return self._arrived.get(timeout=within)

    def let_go(self) -> None:
        """Ends all that hangs, now and later."""
        self._let_go.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.let_go()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", "0"))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, self.rfile.read(length))
                endpoint.had.append(asked)
                endpoint._arrived.put(asked)
                reply = endpoint.answer(asked)
                if reply.hangs:
                    endpoint._let_go.wait()
                # Whoever asked may have gone.
                with contextlib.suppress(OSError):
                    self.send_response(reply.status)
                    for name, value in reply.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(reply.body)))
                    self.end_headers()
                    for start in range(0, len(reply.body), 65536):
                        endpoint.sent += self.wfile.write(reply.body[start : start + 65536])

            do_GET = do_POST  # noqa: N815 - the server's name for it

            def log_message(self, *args: Any) -> None:
                """Says nothing."""

        return Handler
