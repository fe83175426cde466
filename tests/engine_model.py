"""A container engine in memory: Docker's HTTP API as far as it is asked, with every bad habit on request.

It is the outside of the product, so it may be made up; what speaks to it is the real thing. A container
that runs accepts connections on its published ports, so strangers on ports and probes are real too.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import socket
import socketserver
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_NEVER = "0001-01-01T00:00:00Z"
_VERSION = {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": "20.10.24", "Os": "linux"}
_CREATE = re.compile(r"POST /containers/create$")


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z"


@dataclass
class Container:
    """One container, and the sockets on which it answers."""

    id: str
    name: str
    config: dict[str, Any]
    started: str = _NEVER
    finished: str = _NEVER
    running: bool = False
    exit_code: int = 0
    oom: bool = False
    sockets: list[socket.socket] = field(default_factory=list)
    starts: int = 0

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self.config.get("Labels") or {})

    @property
    def host(self) -> dict[str, Any]:
        """Its part of the host."""
        return dict(self.config["HostConfig"])


@dataclass
class Trouble:
    """What goes wrong next.

    Attributes:
        away: nothing is answered; connections end at once.
        slow: seconds before each answer.
        refuse: requests to come, by a pattern of `POST /containers/…`: each is refused once.
        half: the same; each is done, and the connection ends before the answer.
        forget: how many lists to come leave every container out; an inspection says it is not there.
    """

    away: bool = False
    slow: float = 0.0
    refuse: deque[str] = field(default_factory=deque)
    half: deque[str] = field(default_factory=deque)
    forget: int = 0

    def takes(self, of: deque[str], request: str) -> bool:
        """Whether a request is the next one of a kind of trouble."""
        for pattern in of:
            if re.search(pattern, request):
                of.remove(pattern)
                return True
        return False


class EngineModel(socketserver.ThreadingUnixStreamServer):
    """Serves on a unix socket until it is closed."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.containers: dict[str, Container] = {}
        self.networks: dict[str, dict[str, Any]] = {}
        self.volumes: dict[str, dict[str, Any]] = {}
        # Images that it has to fetch, which are there once their events are set; None: there are none.
        self.fetches: dict[str, threading.Event | None] = {}
        self.events: list[dict[str, Any]] = []
        self.trouble = Trouble()
        self.unknown: list[str] = []
        self.doubled: list[str] = []
        self.open = True
        super().__init__(str(path), _Answer)
        self.url = f"unix://{path}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever asked has gone, or was cut off: that is what is played here."""

    def close(self) -> None:
        """Ends it, and everything that runs."""
        with self.changed:
            self.open = False
            for container in self.containers.values():
                _hush(container)
            self.changed.notify_all()
        self.shutdown()
        self.server_close()
        self._thread.join(5)

    # What happens to containers

    def of(self, allocation: str) -> list[Container]:
        """The containers of an allocation."""
        with self.lock:
            return [c for c in self.containers.values() if allocation in c.labels.values()]

    def begin(self, container: Container) -> str:
        """Starts a container; a sentence where it cannot be started."""
        with self.changed:
            if container.running:
                return ""
            for bindings in (container.host.get("PortBindings") or {}).values():
                for binding in bindings:
                    listening = socket.socket()
                    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    try:
                        listening.bind((binding["HostIp"], int(binding["HostPort"])))
                        listening.listen(8)
                    except OSError:
                        listening.close()
                        _hush(container)
                        return "driver failed: Bind for port failed: port is already allocated"
                    container.sockets.append(listening)
            others = [c for c in self.of(_whose(container)) if c.running]
            self.doubled += [f"{c.name} and {container.name}" for c in others]
            container.running, container.started = True, _now()
            container.exit_code, container.oom = 0, False
            container.starts += 1
            self._tell(container, "start")
            return ""

    def end(self, container: Container, code: int, *, oom: bool = False) -> None:
        """The program of a container ends."""
        with self.changed:
            if not container.running:
                return
            _hush(container)
            container.running, container.finished = False, _now()
            container.exit_code, container.oom = code, oom
            if oom:
                self._tell(container, "oom")
            self._tell(container, "die", exitCode=str(code))

    def discard(self, container: Container) -> None:
        """A container is removed."""
        with self.changed:
            self.end(container, 137)
            if self.containers.pop(container.id, None) is not None:
                self._tell(container, "destroy")

    def lose_everything(self) -> None:
        """The engine comes back without a container."""
        for container in list(self.containers.values()):
            self.discard(container)

    def has_image(self, name: str) -> bool:
        """Whether an image is there."""
        fetch = self.fetches.get(name)
        return name not in self.fetches or (fetch is not None and fetch.is_set())

    def find(self, name: str) -> Container | None:
        """A container by its id or name."""
        with self.lock:
            return self.containers.get(name) or next(
                (c for c in self.containers.values() if c.name == name), None
            )

    def _tell(self, container: Container, action: str, **said: str) -> None:
        now = time.time()
        self.events.append(
            {
                "Type": "container",
                "Action": action,
                "status": action,
                "id": container.id,
                "Actor": {
                    "ID": container.id,
                    "Attributes": {**container.labels, "name": container.name, **said},
                },
                "time": int(now),
                "timeNano": int(now * 1e9),
            }
        )
        self.changed.notify_all()


def _whose(container: Container) -> str:
    return next((v for v in container.labels.values() if v.startswith("allocations/")), "-")


def _hush(container: Container) -> None:
    for listening in container.sockets:
        listening.close()
    container.sockets.clear()


class _Answer(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: EngineModel

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *args: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = urlsplit(self.path)
        path = re.sub(r"^/v\d[\d.]*", "", parts.path)
        request = f"{self.command} {path}"
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        trouble = self.server.trouble
        if trouble.away or not self.server.open:
            self.close_connection = True
            return
        if trouble.slow:
            threading.Event().wait(trouble.slow)
        if trouble.takes(trouble.refuse, request):
            self._say(500, {"message": "the engine does not feel like it"})
            return
        half = trouble.takes(trouble.half, request)
        for pattern, act in _ROUTES:
            if found := re.fullmatch(pattern, request):
                answer = act(self, query, body, *found.groups())
                if half:
                    self.close_connection = True
                elif answer is not None:
                    self._say(*answer)
                return
        self.server.unknown.append(request)
        self._say(501, {"message": f"the model lacks {request}"})

    def _say(self, status: int, content: Any) -> None:
        data = b"" if status in (204, 304) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Api-Version", "1.41")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, pieces: Iterator[bytes]) -> None:
        """Answers with a stream that ends with the connection."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        with contextlib.suppress(OSError):
            for piece in pieces:
                self.wfile.write(piece)
                self.wfile.flush()


Answer = tuple[int, Any] | None
_NO_CONTAINER = (404, {"message": "No such container: it is not there"})


def _filters(query: dict[str, str]) -> list[str]:
    wanted = json.loads(query.get("filters", "{}")).get("label", [])
    # The engine takes both forms.
    return list(wanted) if isinstance(wanted, (list, dict)) else [wanted]


def _has(labels: dict[str, str], wanted: list[str]) -> bool:
    pairs = (each.partition("=") for each in wanted)
    return all(k in labels and (not eq or labels[k] == v) for k, eq, v in pairs)


def _list(at: _Answer, query: dict[str, str], body: bytes) -> Answer:
    engine, wanted = at.server, _filters(query)
    with engine.lock:
        if engine.trouble.forget > 0:
            engine.trouble.forget -= 1
            return 200, []
        rows = [
            {
                "Id": c.id,
                "Names": [f"/{c.name}"],
                "Image": c.config["Image"],
                "Labels": c.labels,
                "State": "running" if c.running else "exited" if c.starts else "created",
                "HostConfig": {"NetworkMode": c.host["NetworkMode"]},
            }
            for c in engine.containers.values()
            if _has(c.labels, wanted)
        ]
    return 200, rows


def _create(at: _Answer, query: dict[str, str], body: bytes) -> Answer:
    engine, name = at.server, query.get("name", "")
    with engine.lock:
        if (there := engine.find(name)) is not None:
            return 409, {"message": f'Conflict. The name "/{name}" is in use by {there.id}.'}
        made = Container(secrets.token_hex(32), name, json.loads(body))
        if not engine.has_image(made.config["Image"]):
            return 404, {"message": f"No such image: {made.config['Image']}"}
        engine.containers[made.id] = made
    return 201, {"Id": made.id, "Warnings": []}


def _show(at: _Answer, query: dict[str, str], body: bytes, name: str) -> Answer:
    engine = at.server
    with engine.lock:
        container = engine.find(name)
        if container is None or engine.trouble.forget > 0:
            return _NO_CONTAINER
        status = "running" if container.running else "exited" if container.starts else "created"
        return 200, {
            "Id": container.id,
            "Name": f"/{container.name}",
            "Created": container.started,
            "Config": {
                "Labels": container.labels,
                "Image": container.config["Image"],
                "User": container.config.get("User", ""),
            },
            "HostConfig": container.host,
            "NetworkSettings": {"Networks": {}},
            "RestartCount": 0,
            "State": {
                "Status": status,
                "Running": container.running,
                "Paused": False,
                "Restarting": False,
                "OOMKilled": container.oom,
                "Dead": False,
                "Pid": 0,
                "ExitCode": container.exit_code,
                "Error": "",
                "StartedAt": container.started,
                "FinishedAt": container.finished,
            },
        }


def _start(at: _Answer, query: dict[str, str], body: bytes, name: str) -> Answer:
    container = at.server.find(name)
    if container is None:
        return _NO_CONTAINER
    if container.running:
        return 304, None
    problem = at.server.begin(container)
    return (500, {"message": problem}) if problem else (204, None)


def _stop(at: _Answer, query: dict[str, str], body: bytes, name: str) -> Answer:
    container = at.server.find(name)
    if container is None:
        return _NO_CONTAINER
    if not container.running:
        return 304, None
    at.server.end(container, 143)
    return 204, None


def _restart(at: _Answer, query: dict[str, str], body: bytes, name: str) -> Answer:
    container = at.server.find(name)
    if container is None:
        return _NO_CONTAINER
    at.server.end(container, 143)
    problem = at.server.begin(container)
    return (500, {"message": problem}) if problem else (204, None)


def _remove(at: _Answer, query: dict[str, str], body: bytes, name: str) -> Answer:
    container = at.server.find(name)
    if container is None:
        return _NO_CONTAINER
    at.server.discard(container)
    return 204, None


def _logs(at: _Answer, query: dict[str, str], body: bytes, name: str) -> Answer:
    container = at.server.find(name)
    if container is None:
        return _NO_CONTAINER

    def pieces() -> Iterator[bytes]:
        with at.server.changed:
            while query.get("follow") == "1" and container.running and at.server.open:
                at.server.changed.wait(1)
        yield b""

    at.stream(pieces())
    return None


def _stats(at: _Answer, query: dict[str, str], body: bytes, name: str) -> Answer:
    container = at.server.find(name)
    if container is None:
        return _NO_CONTAINER

    def pieces() -> Iterator[bytes]:
        sample = {
            "read": _now(),
            "cpu_stats": {"cpu_usage": {"total_usage": 1}, "system_cpu_usage": 2, "online_cpus": 2},
            "precpu_stats": {"cpu_usage": {"total_usage": 0}, "system_cpu_usage": 1},
            "memory_stats": {"usage": 1 << 20, "limit": 1 << 28},
            "pids_stats": {"current": 1},
            "networks": {},
        }
        once = query.get("stream") in ("0", "false", "False")
        with at.server.changed:
            while container.running and at.server.open:
                yield json.dumps(sample).encode() + b"\n"
                if once:
                    return
                at.server.changed.wait(1)

    at.stream(pieces())
    return None


def _events(at: _Answer, query: dict[str, str], body: bytes) -> Answer:
    engine, wanted = at.server, _filters(query)
    actions = json.loads(query.get("filters", "{}")).get("event", [])
    since = float(query.get("since", time.time()))

    def pieces() -> Iterator[bytes]:
        told = 0
        yield b""
        while engine.open and not engine.trouble.away:
            with engine.changed:
                fresh = engine.events[told:]
                told = len(engine.events)
                if not fresh:
                    engine.changed.wait(0.2)
            for event in fresh:
                if (
                    event["timeNano"] / 1e9 >= since
                    and (not actions or event["Action"] in actions)
                    and _has(event["Actor"]["Attributes"], wanted)
                ):
                    yield json.dumps(event).encode() + b"\n"

    at.stream(pieces())
    return None


def _image(at: _Answer, query: dict[str, str], body: bytes, name: str) -> Answer:
    if not at.server.has_image(name):
        return 404, {"message": f"No such image: {name}"}
    return 200, {"Id": "sha256:0", "Config": {}}


def _fetch(at: _Answer, query: dict[str, str], body: bytes) -> Answer:
    name = query["fromImage"]
    fetch = at.server.fetches.get(name)
    if fetch is None:
        return 404, {"message": f"pull access denied for {name}"}

    def pieces() -> Iterator[bytes]:
        done = 0
        while at.server.open and not fetch.wait(0.1):
            done += 1
            detail = {"current": done, "total": 10_000}
            step = {"status": "Downloading", "id": "layer", "progressDetail": detail}
            yield json.dumps(step).encode() + b"\n"

    at.stream(pieces())
    return None


def _make_network(at: _Answer, query: dict[str, str], body: bytes) -> Answer:
    config = json.loads(body)
    with at.server.lock:
        if config["Name"] in at.server.networks:
            return 409, {"message": "network with that name already exists"}
        at.server.networks[config["Name"]] = {**config, "Id": secrets.token_hex(32)}
    return 201, {"Id": at.server.networks[config["Name"]]["Id"], "Warning": ""}


def _networks(at: _Answer, query: dict[str, str], body: bytes) -> Answer:
    with at.server.lock:
        return 200, [
            n for n in at.server.networks.values() if _has(n.get("Labels") or {}, _filters(query))
        ]


def _network(at: _Answer, query: dict[str, str], body: bytes, name: str) -> Answer:
    found = at.server.networks.get(name)
    return (200, found) if found else (404, {"message": f"network {name} not found"})


def _drop_network(at: _Answer, query: dict[str, str], body: bytes, name: str) -> Answer:
    gone = at.server.networks.pop(name, None)
    return (204, None) if gone else (404, {"message": f"network {name} not found"})


def _make_volume(at: _Answer, query: dict[str, str], body: bytes) -> Answer:
    config = json.loads(body)
    with at.server.lock:
        made = at.server.volumes.setdefault(
            config["Name"],
            {**config, "Driver": "local", "Mountpoint": "/nowhere", "CreatedAt": _now()},
        )
    return 201, made


def _volumes(at: _Answer, query: dict[str, str], body: bytes) -> Answer:
    with at.server.lock:
        rows = [
            v for v in at.server.volumes.values() if _has(v.get("Labels") or {}, _filters(query))
        ]
    return 200, {"Volumes": rows, "Warnings": []}


def _volume(at: _Answer, query: dict[str, str], body: bytes, name: str) -> Answer:
    found = at.server.volumes.get(name)
    return (200, found) if found else (404, {"message": f"no such volume: {name}"})


def _drop_volume(at: _Answer, query: dict[str, str], body: bytes, name: str) -> Answer:
    with at.server.lock:
        users = [
            c
            for c in at.server.containers.values()
            if any(m.get("Source") == name for m in c.host.get("Mounts") or ())
        ]
        if users:
            return 409, {"message": "volume is in use"}
        gone = at.server.volumes.pop(name, None)
    return (204, None) if gone else (404, {"message": f"no such volume: {name}"})


def _disk(at: _Answer, query: dict[str, str], body: bytes) -> Answer:
    with at.server.lock:
        rows = [
            {**v, "UsageData": {"Size": 4096, "RefCount": 0}} for v in at.server.volumes.values()
        ]
    return 200, {"Volumes": rows}


def _update(at: _Answer, query: dict[str, str], body: bytes, name: str) -> Answer:
    container = at.server.find(name)
    if container is None:
        return _NO_CONTAINER
    container.config["HostConfig"].update(json.loads(body))
    return 200, {"Warnings": None}


def _constant(status: int, content: Any) -> Callable[..., Answer]:
    return lambda *_: (status, content)


_INFO = {
    "ServerVersion": "20.10.24",
    "NCPU": 64,
    "MemTotal": 1 << 40,
    "Driver": "overlay2",
    "DockerRootDir": "/nowhere",
    "ID": "MODEL",
    "Name": "model",
    "Swarm": {"LocalNodeState": "inactive"},
}
_ROUTES: list[tuple[str, Callable[..., Answer]]] = [
    (r"(?:GET|HEAD) /_ping", _constant(200, "OK")),
    (r"GET /version", _constant(200, _VERSION)),
    (r"GET /info", _constant(200, _INFO)),
    (r"GET /events", _events),
    (r"GET /containers/json", _list),
    (r"POST /containers/create", _create),
    (r"GET /containers/([^/]+)/json", _show),
    (r"POST /containers/([^/]+)/start", _start),
    (r"POST /containers/([^/]+)/stop", _stop),
    (r"POST /containers/([^/]+)/restart", _restart),
    (r"DELETE /containers/([^/]+)", _remove),
    (r"GET /containers/([^/]+)/logs", _logs),
    (r"GET /containers/([^/]+)/stats", _stats),
    (r"POST /containers/([^/]+)/update", _update),
    (r"GET /system/df", _disk),
    (r"GET /images/(.+)/json", _image),
    (r"POST /images/create", _fetch),
    (r"POST /networks/create", _make_network),
    (r"GET /networks", _networks),
    (r"GET /networks/([^/]+)", _network),
    (r"DELETE /networks/([^/]+)", _drop_network),
    (r"POST /volumes/create", _make_volume),
    (r"GET /volumes", _volumes),
    (r"GET /volumes/([^/]+)", _volume),
    (r"DELETE /volumes/([^/]+)", _drop_volume),
]
