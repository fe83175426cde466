"""A server with a service's certificate that answers with what it was asked."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Echo:
    """Serves HTTP as a service does: only those who show a certificate of the authority.

    Attributes:
        asked: verb and path of each request, /readyz aside.
        looks: how often it was asked whether it is ready.
        is_ready: whether it says so.
        hangs_up: whether it closes connections after the request instead of answering.
    """

    def __init__(self, certificate: Path, port: int = 0) -> None:
        self.asked: list[tuple[str, str]] = []
        self.looks = 0
        self.is_ready = True
        self.hangs_up = False
        self._taken: list[ssl.SSLSocket] = []
        echo = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self) -> None:
                length = int(self.headers.get("content-length", "0"))
                self.rfile.read(length)
                if self.path == "/readyz":
                    echo.looks += 1
                else:
                    echo.asked.append((self.command, self.path))
                    if echo.hangs_up:
                        self.close_connection = True
                        return
                said = json.dumps(
                    {"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}}
                ).encode()
                self.send_response(200 if echo.is_ready or self.path != "/readyz" else 503)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        for verb in ("GET", "POST", "PATCH", "DELETE"):
            setattr(Handler, f"do_{verb}", Handler.serve)

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate / "ca.pem")
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self) -> Any:
                # The handshake is the connection's own thread's.
                raw, address = super().get_request()
                taken = context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
                echo._taken.append(taken)
                return taken, address

            def handle_error(self, *_: Any) -> None:
                """Whoever connects and says nothing has gone away."""

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        """Ends it with every connection, as the end of a process does."""
        self._server.shutdown()
        self._server.server_close()
        for taken in self._taken:
            with contextlib.suppress(OSError):
                taken.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=10)
