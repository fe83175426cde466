"""The OpenAPI document, and a page to try it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_FILES = {
    "docs.html": "text/html; charset=utf-8",
    "docs.css": "text/css; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
    "explain.js": "text/javascript; charset=utf-8",
}


def document_routes(openapi: Callable[[], bytes]) -> list[Route]:
    """The routes `/openapi.json` and `/docs`.

    Args:
        openapi: makes the document; called once, when it is first asked for.
    """
    made = cache(openapi)

    async def document(request: Request) -> Response:
        return _cached(request, made(), "application/json")

    async def page(request: Request) -> Response:
        name = request.path_params.get("name", "docs.html")
        if name not in _FILES:
            return Response(status_code=404)
        return _cached(request, _file(name), _FILES[name])

    return [
        Route("/openapi.json", document),
        Route("/docs", page),
        Route("/docs/{name}", page),
    ]


@cache
def _file(name: str) -> bytes:
    return (resources.files("chassis.rest") / "static" / name).read_bytes()


def _cached(request: Request, body: bytes, media_type: str) -> Response:
    etag = f'"{sha256(body).hexdigest()[:20]}"'
    headers = {"etag": etag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)
