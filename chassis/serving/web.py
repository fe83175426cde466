"""HTTP beside REST: life signs, metrics, the web console, and the server that carries it all."""

from __future__ import annotations

import contextlib
import functools
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from chassis.identity import Certificates
from chassis.serving.http_protocol import BoundedHttpProtocol
from chassis.serving.service import Service
from chassis.telemetry import render_metrics

_FOREVER = "public, max-age=31536000, immutable"


def life_routes(
    services: Sequence[Service],
    is_ready: Callable[[], bool],
    certificates: Certificates | None = None,
) -> list[BaseRoute]:
    """/livez, which touches nothing, /readyz, which names what is degraded, and /metrics."""

    async def livez(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        degraded: dict[str, str] = {
            f"{service.name}.{name}": problem
            for service in services
            for name, check in service.checks.items()
            if (problem := check())
        }
        if certificates is not None and (problem := certificates.problem()):
            degraded["certificate"] = problem
        ready = is_ready()
        body = {"ready": ready, "degraded": degraded}
        return JSONResponse(body, status_code=200 if ready else 503)

    async def metrics(_request: Request) -> Response:
        body, media_type = render_metrics()
        return Response(body, media_type=media_type)

    return [
        Route("/livez", livez),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
    ]


def console_routes(folder: Path) -> list[BaseRoute]:
    """The built web console: files under their names, its one page for every other path."""
    root = folder.resolve()

    async def page(request: Request) -> Response:
        asked = request.path_params.get("path", "")
        file = _file_of(root, asked)
        if file is not None:
            lasting = asked.startswith("assets/")
            return FileResponse(
                file, headers={"cache-control": _FOREVER if lasting else "no-cache"}
            )
        index = root / "index.html"
        if not index.is_file():
            return PlainTextResponse(
                "The web console is not built: run `make web`. REST is at /v1, its reference at "
                "/docs.\n",
                status_code=404,
            )
        if asked.startswith(("v1/", "assets/", ".well-known/")):
            return PlainTextResponse("There is nothing here.\n", status_code=404)
        return FileResponse(index, headers={"cache-control": "no-cache"})

    return [Route("/", page), Route("/{path:path}", page)]


def _file_of(root: Path, asked: str) -> Path | None:
    """The file in a folder that a path names; None where it names none, or something else."""
    try:
        file = (root / asked).resolve()
        return file if asked and file.is_relative_to(root) and file.is_file() else None
    except (OSError, ValueError):  # a name that no file can have: too long, or with NUL in it
        return None


class HttpServer(uvicorn.Server):
    """uvicorn without its signal handlers: the process has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


def http_server(
    app: Any,
    drain_seconds: float,
    head_seconds: float,
    certificates: Certificates | None = None,
) -> HttpServer:
    """A server for the app, not yet listening; with certificates, over TLS with whoever has one too."""
    return HttpServer(
        uvicorn.Config(
            app,
            http=functools.partial(BoundedHttpProtocol, head_seconds=head_seconds),  # type: ignore[arg-type]  # any callable that makes one
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            ws_max_size=64 << 10,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=max(1, int(drain_seconds)),
            backlog=1024,
            ssl_context_factory=None
            if certificates is None
            else lambda _config, _default: certificates.http_context(),
        )
    )


def bound_socket(address: str) -> socket.socket:
    """A listening socket at `host:port`.

    Raises:
        OSError: the address cannot be used.
    """
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay off, 40 ms an answer, for sockets that say that they are TCP's only.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host.strip("[]") or "0.0.0.0", int(port)))  # noqa: S104 — chosen by the setting
        made.listen(1024)
    except OSError:
        made.close()
        raise
    made.setblocking(False)  # noqa: FBT003 — the standard library's own signature
    return made
