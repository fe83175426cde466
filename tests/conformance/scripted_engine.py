"""An engine of containers for tests: its HTTP API's two methods about logs, with every bad habit."""

from __future__ import annotations

import json
import socketserver
import struct
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

STDOUT, STDERR = 1, 2


def stamp(time_ns: int) -> bytes:
    seconds, nanos = divmod(time_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanos:09d}Z ".encode()


@dataclass
class Container:
    """What it has written: pieces with their time and stream; and whether it runs.

    `cuts` says after how many pieces the next followed streams end, with a clean end.
    """

    pieces: list[tuple[int, int, bytes]] = field(default_factory=list)
    running: bool = True
    cuts: list[int] = field(default_factory=list)
    asked: int = 0


class ScriptedEngine(socketserver.ThreadingUnixStreamServer):
    """Serves on a unix socket until it is closed."""

    daemon_threads = True

    def __init__(self, path: Path, *containers: str) -> None:
        self.containers = {name: Container() for name in containers}
        self.changed = threading.Condition()
        self.open = True
        super().__init__(str(path), _Answer)
        self.address = f"unix://{path}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def handle_error(self, request: object, client_address: object) -> None:
        """A reader that has gone is nothing to talk about."""

    def write(self, name: str, *pieces: tuple[int, int, bytes]) -> None:
        with self.changed:
            self.containers.setdefault(name, Container()).pieces += pieces
            self.changed.notify_all()

    def stop(self, name: str) -> None:
        with self.changed:
            self.containers.setdefault(name, Container()).running = False
            self.changed.notify_all()

    def close(self) -> None:
        with self.changed:
            self.open = False
            self.changed.notify_all()
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Answer(socketserver.StreamRequestHandler):
    server: ScriptedEngine

    def handle(self) -> None:
        target = self.rfile.readline().split()[1].decode()
        while self.rfile.readline().strip():
            pass
        url = urlsplit(target)
        _, _, name, method = url.path.split("/")
        container = self.server.containers.get(name)
        if container is None:
            self.wfile.write(b"HTTP/1.0 404 Not Found\r\n\r\n{}")
        elif method == "json":
            state = {"State": {"Running": container.running}}
            self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(state).encode())
        else:
            self._log(container, {key: value[0] for key, value in parse_qs(url.query).items()})

    def _log(self, container: Container, query: dict[str, str]) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: x\r\n\r\n")
        seconds, _, nanos = query.get("since", "0.0").partition(".")
        since = int(seconds) * 1_000_000_000 + int(nanos.ljust(9, "0"))
        follows = query["follow"] == "1"
        sent = 0
        with self.server.changed:
            tail = query.get("tail", "all")
            at = 0 if tail == "all" else max(0, len(container.pieces) - int(tail))
            container.asked += 1
            cut = container.cuts.pop(0) if follows and container.cuts else -1
        while self.server.open:
            with self.server.changed:
                pieces, running = container.pieces[at:], container.running
                if not pieces and follows and running:
                    self.server.changed.wait(0.5)
                    continue
            at += len(pieces)
            for time, stream, text in pieces:
                if sent == cut:
                    return
                if time >= since:
                    text = stamp(time) + text  # noqa: PLW2901
                    self.wfile.write(struct.pack(">B3xI", stream, len(text)) + text)
                    sent += 1
            if not pieces or sent == cut:
                return
