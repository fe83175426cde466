"""The OpenAPI document, a page to try it, and the pages that problem documents point to."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from html import escape
from importlib import resources

from allocator.reasons.v1 import reason_pb2
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chassis.faults import Kind
from chassis.rest.comments import comment_of, flowing
from chassis.rest.problem import STATUSES, NoSuchPage

_FILES = {
    "docs.html": "text/html; charset=utf-8",
    "docs.css": "text/css; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
    "explain.js": "text/javascript; charset=utf-8",
}


def document_routes(openapi: Callable[[], bytes]) -> list[Route]:
    """The routes `/openapi.json`, `/docs` and `/errors`.

    Args:
        openapi: makes the document; called once, when it is first asked for.
    """
    made = cache(openapi)

    async def document(request: Request) -> Response:
        return _cached(request, made(), "application/json")

    async def page(request: Request) -> Response:
        name = request.path_params.get("name", "docs.html")
        if name not in _FILES:
            raise NoSuchPage("There is no such file; the page is at /docs.")
        return _cached(request, _file(name), _FILES[name])

    async def error(request: Request) -> Response:
        found = _reason_page(request.path_params.get("reason", ""))
        return _cached(request, found, "text/html; charset=utf-8")

    return [
        Route("/openapi.json", document),
        Route("/errors", error),
        Route("/errors/{reason}", error),
        Route("/docs", page),
        Route("/docs/{name}", page),
    ]


@cache
def _reason_page(wanted: str) -> bytes:
    """What a reason means and what to do; all of them where none is wanted.

    Raises:
        NoSuchPage: there is no such reason.
    """
    rows = []
    for value in reason_pb2.Reason.DESCRIPTOR.values:
        if value.number == 0 or wanted not in ("", value.name):
            continue
        entry = value.GetOptions().Extensions[reason_pb2.entry]
        status = STATUSES[Kind[reason_pb2.Kind.Name(entry.kind)]]
        meaning = flowing(comment_of(f"{value.type.full_name}.{value.name}"))
        rows.append(
            f"<h2><code>{value.name}</code></h2><p>{escape(meaning)}</p>"
            f"<p>What to do: {escape(entry.advice)}</p><p class='quiet'>Usually HTTP {status}.</p>"
        )
    if not rows:
        raise NoSuchPage("There is no such reason; the list is at /errors.")
    title = wanted or "Reasons"
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{title}</title><link rel='icon' href='data:,'>"
        "<link rel='stylesheet' href='/docs/docs.css'></head><body><main><section>"
        f"{''.join(rows)}</section><p><a href='/errors'>All reasons</a></p></main></body></html>"
    ).encode()


@cache
def _file(name: str) -> bytes:
    return (resources.files("chassis.rest") / "static" / name).read_bytes()


def _cached(request: Request, body: bytes, media_type: str) -> Response:
    etag = f'"{sha256(body).hexdigest()[:20]}"'
    headers = {"etag": etag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)
