"""Routes beside the contract: WebSockets, pages, metrics, health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Router
from starlette.types import Message as Event
from starlette.types import Receive, Scope, Send

from chassis.faults import Fault
from chassis.rest.problem import NoSuchPage, NoSuchVerb, problem_bytes, problem_headers, status_of

SECURITY_HEADERS: Mapping[bytes, bytes] = {
    b"content-security-policy": (
        b"default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        b"form-action 'self'; frame-ancestors 'none'"
    ),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"x-frame-options": b"DENY",
}
"""What every page is sent with, unless its route says otherwise: no script or style but our own
files, in nobody's frame."""


class SideRoutes:
    """Serves the first route that fits."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._all = Router(routes=routes, redirect_slashes=False)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a WebSocket; closes it where no route fits."""
        await self._all(scope, receive, send)

    async def offer(self, scope: Scope, receive: Receive, send: Send, *, on_surface: bool) -> bool:
        """Serves an HTTP request, if a route fits; tells whether one did.

        Args:
            scope: the request.
            receive: as in ASGI.
            send: as in ASGI.
            on_surface: whether the path begins like those of the contract: then only a route that
                begins there too is asked.

        Raises:
            Fault: the route says that there is nothing, or not by this HTTP method.
        """
        first = "/" + scope["path"].lstrip("/").partition("/")[0]
        known: set[str] = set()
        for route in self._all.routes:
            if on_surface and not getattr(route, "path", "").startswith(first):
                continue
            match, child = route.matches(scope)
            if match is Match.FULL:
                await self._handle(route, {**scope, **child}, receive, send)
                return True
            if match is Match.PARTIAL:
                known |= getattr(route, "methods", None) or set()
        if known:
            raise _wrong_verb(scope["method"], sorted(known))
        return False

    @staticmethod
    async def _handle(route: BaseRoute, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(event: Event) -> None:
            if event["type"] == "http.response.start":
                headers = list(event["headers"])
                there = {name.lower() for name, _ in headers}
                headers += [(n, v) for n, v in SECURITY_HEADERS.items() if n not in there]
                event = {**event, "headers": headers}
            await send(event)

        try:
            await route.handle(scope, receive, send_guarded)
        except HTTPException as refusal:
            if refusal.status_code == NoSuchPage.status:
                raise NoSuchPage("There is nothing at this path.") from None
            if refusal.status_code == NoSuchVerb.status:
                raise _wrong_verb(scope["method"], ["GET", "HEAD"]) from None
            raise


def _wrong_verb(verb: str, known: Sequence[str]) -> NoSuchVerb:
    return NoSuchVerb(f"{verb} is not possible here; use {' or '.join(known)}.", ", ".join(known))


def problem_response(fault: Fault, path: str) -> Response:
    """The problem document of a fault, for routes beside the contract."""
    headers: dict[str, Any] = {n.decode(): v.decode() for n, v in problem_headers(fault)}
    return Response(
        problem_bytes(fault, path),
        status_of(fault),
        headers,
        media_type="application/problem+json",
    )
