"""A request to an engine's HTTP API over a socket that never blocks."""

from __future__ import annotations

import errno
import selectors
import socket
from urllib.parse import urlsplit

_HEAD_BYTES = 64 * 1024


class EngineAway(Exception):
    """The engine cannot be reached, or does not speak HTTP."""


class Exchange:
    """One request and its answer.

    It is HTTP/1.0 on purpose: the answer is not chunked then, and ends with the connection. (An
    engine sends each line of a log as a chunk of its own, and taking the chunks apart would cost
    half as much again as reading the lines.)

    Args:
        selector: the socket is registered in it.
        owner: the `data` of the registration.
        engine: `unix:///var/run/docker.sock` or `tcp://host:2375`.
        path: of the request, with its query.

    Raises:
        EngineAway: there is no such engine.
    """

    def __init__(
        self, selector: selectors.BaseSelector, owner: object, engine: str, path: str
    ) -> None:
        self._selector = selector
        self._owner = owner
        self._request = f"GET {path} HTTP/1.0\r\nHost: engine\r\n\r\n".encode()
        self._head = b""
        self.status = 0
        url = urlsplit(engine)
        address: str | tuple[str, int]
        if url.scheme == "unix":
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            address = url.path
        elif url.scheme == "tcp" and url.hostname:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            address = (url.hostname, url.port or 2375)
        else:
            raise EngineAway(f"{engine!r} is no address of an engine.")
        self._socket.settimeout(0)
        try:
            problem = self._socket.connect_ex(address)
        except OSError as error:
            self._socket.close()
            raise EngineAway(str(error)) from error
        if problem not in (0, errno.EINPROGRESS):
            self._socket.close()
            raise EngineAway(f"{engine}: {errno.errorcode.get(problem, problem)}")
        selector.register(self._socket, selectors.EVENT_WRITE, owner)

    def receive(self, size: int) -> bytes | None:
        """Goes on with what the socket is ready for.

        Returns:
            A piece of the answer's body; empty at its end; None if there is nothing yet.

        Raises:
            EngineAway: the connection has broken.
        """
        try:
            if self._request:
                self._send()
                return None
            got = self._socket.recv(size)
        except BlockingIOError:
            return None
        except OSError as error:
            raise EngineAway(str(error)) from error
        if self.status:
            return got
        if not got:
            raise EngineAway("The engine has closed the connection.")
        return self._receive_head(got)

    def _send(self) -> None:
        problem = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if problem:
            raise OSError(problem, errno.errorcode.get(problem, "?"))
        self._request = self._request[self._socket.send(self._request) :]
        if not self._request:
            self._selector.modify(self._socket, selectors.EVENT_READ, self._owner)

    def _receive_head(self, got: bytes) -> bytes | None:
        self._head += got
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            if len(self._head) > _HEAD_BYTES:
                raise EngineAway("The engine does not speak HTTP.")
            return None
        words = head.split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
            raise EngineAway("The engine does not speak HTTP.")
        self.status = int(words[1])
        self._head = b""
        return rest or None

    def close(self) -> None:
        """Closes the connection."""
        self._selector.unregister(self._socket)
        self._socket.close()
