"""The HTTP application: REST from the descriptors, and the routes beside it."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Sequence,
)
from contextlib import aclosing
from typing import Protocol, cast
from urllib.parse import quote

from google.protobuf.message import Message
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from chassis.faults import DeadlineExceeded, Fault, Forbidden, Internal
from chassis.identity.certificates import EDGE
from chassis.rest.binding import bindings_of
from chassis.rest.decoding import refuse
from chassis.rest.incoming import (
    ClientGone,
    metadata_of,
    read_body,
    refuse_large,
    says_body,
    timeout_of,
    wanted_headers,
)
from chassis.rest.operation import Operation, copied
from chassis.rest.pages import document_routes
from chassis.rest.problem import (
    PROBLEM_JSON,
    NoSuchPage,
    NoSuchVerb,
    PreconditionFailed,
    problem_bytes,
    problem_headers,
    status_of,
)
from chassis.rest.router import PathMalformed, Router
from chassis.rest.sideroutes import SideRoutes
from chassis.rest.streams import HEARTBEAT_SECONDS, StreamAnswer, StreamCut, framing_for
from chassis.rest.uploads import Upload
from chassis.rpc.addresses import client_address, is_trusted, networks
from chassis.rpc.call import Call
from chassis.rpc.contract import Method
from chassis.telemetry import child_of, log

UNARY_SECONDS = 30.0
"""How long a call with one answer may take."""
MAX_BODY_BYTES = 1 << 20
"""How large a body may be, by default."""

AllowedHosts = Callable[[str], bool] | Collection[str]


class Calls(Protocol):
    """What the application enters calls into; `chassis.rpc.Chain` is one."""

    def methods(self) -> Iterable[Method]:
        """Every method that is served, public and internal."""

    async def unary(self, call: Call, request: Message) -> Message | bytes:
        """Serves a call that has one answer. Raises only faults."""

    def stream(self, call: Call, request: Message) -> AsyncIterator[Message | bytes]:
        """Serves a call that is answered by a stream. Raises only faults."""

    async def intake(self, call: Call, requests: AsyncIterator[Message]) -> Message | bytes:
        """Serves a call whose request is a stream. Raises only faults."""


class HostUnknown(Forbidden):
    """The request is for a host that is not ours: a page of another site may have sent it."""

    reason = "HOST_UNKNOWN"


class RestApp:
    """An ASGI application. Make it with `rest_app`."""

    def __init__(
        self,
        chain: Calls,
        side: SideRoutes,
        *,
        allowed_hosts: AllowedHosts | None,
        max_body_bytes: int,
        trusted_proxies: Collection[str],
        heartbeat: float,
    ) -> None:
        self._chain = chain
        self._side = side
        self._max_body_bytes = max_body_bytes
        self._trusted = networks(trusted_proxies)
        self._heartbeat = heartbeat
        self._log = log("chassis.rest")
        self._host_is_ours: Callable[[str], bool] | None = None
        if callable(allowed_hosts):
            self._host_is_ours = allowed_hosts
        elif allowed_hosts is not None:
            self._host_is_ours = frozenset(one.lower() for one in allowed_hosts).__contains__
        self._router: Router[Operation] = Router()
        surfaces: set[str] = set()
        for method in chain.methods():
            for binding in bindings_of(method):
                self._router.add(binding.http_method, binding.template, Operation(binding))
                surfaces.add(binding.template.segments[0])
        self._surfaces = tuple(f"/{one}" for one in sorted(surfaces))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one HTTP request, one WebSocket, or the life of the application."""
        kind = scope["type"]
        if kind == "http":
            await self._http(scope, receive, send)
        elif kind == "websocket":
            headers = wanted_headers(scope["headers"])
            try:
                self._check_host(headers)
            except HostUnknown:
                await receive()
                await send({"type": "websocket.close", "code": 1008, "reason": "HOST_UNKNOWN"})
                return
            await self._side.serve(scope, receive, send)
        else:
            await _live(receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _raw_path(scope)
        verb: str = scope["method"]
        call_headers: list[tuple[str, str]] = []
        try:
            headers = wanted_headers(scope["headers"])
            if self._host_is_ours is not None:
                self._check_host(headers)
            try:
                found = self._router.find("GET" if verb == "HEAD" else verb, path)
            except PathMalformed as error:
                refuse((str(error),), "is not percent-encoded UTF-8 in the path")
            operation = found.target if found else None
            if operation is None or (verb == "HEAD" and operation.method.streams):
                allowed = ("GET",) if operation else found.allowed if found else ()
                await self._beside(scope, receive, send, path, allowed)
                return
            assert found is not None
            body = b""
            if operation.method.takes_stream:
                request = operation.binding.build(found.values, scope["query_string"], headers, b"")
                call = self._call(operation.method, scope, headers)
                field = operation.binding.upload_field
                upload = Upload(request, field, headers.get("content-type", ""), path)
                await self._intake(operation, upload, call, receive, send)
                return
            if operation.binding.takes_body or says_body(headers):
                body = await self._body(headers, receive)
            request = operation.binding.build(found.values, scope["query_string"], headers, body)
            call = self._call(operation.method, scope, headers)
            call_headers = call.response_headers
            if operation.method.streams:
                accept = headers.get("accept", "")
                stream = self._stream(operation, call, request, path, accept)
                await stream.serve(receive, send)
            else:
                answer = await self._unary(call, request, headers)
                status, out, payload = operation.answer(answer, call, headers, verb)
                await send({"type": "http.response.start", "status": status, "headers": out})
                await send(
                    {"type": "http.response.body", "body": b"" if verb == "HEAD" else payload}
                )
        except Fault as fault:
            await _send_problem(send, fault, path, call_headers, bodiless=verb == "HEAD")
        except ClientGone:
            return
        except StreamCut:
            # The server closes a connection whose body has not ended.
            return
        except Exception as error:  # noqa: BLE001
            masked = self._mask(error, path)
            await _send_problem(send, masked, path, call_headers, bodiless=verb == "HEAD")

    async def _intake(
        self, operation: Operation, upload: Upload, call: Call, receive: Receive, send: Send
    ) -> None:
        """Hands a body of any length on as it comes, and answers."""
        try:
            async with aclosing(upload.messages(receive)) as requests:
                answer = await self._chain.intake(call, requests)
        except Fault as fault:
            # What has not come yet would be taken for the next request.
            more = [] if upload.has_ended else [("connection", "close")]
            linger = None if upload.has_ended else lambda: upload.linger(receive)
            headers = [*call.response_headers, *more]
            await _send_problem(
                send, fault, upload.path, headers, bodiless=False, before_end=linger
            )
            return
        status, out, payload = operation.answer(answer, call, {}, operation.binding.http_method)
        await send({"type": "http.response.start", "status": status, "headers": out})
        await send({"type": "http.response.body", "body": payload})

    def _check_host(self, headers: dict[str, str]) -> None:
        if self._host_is_ours is None:
            return
        host = headers.get("host", "").lower()
        name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
        if not name or not self._host_is_ours(name):
            raise HostUnknown(
                f"This server is not {name!r}; use the address that it printed when it started.",
                host=name,
            )

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        refuse_large(headers, self._max_body_bytes)
        try:
            async with asyncio.timeout(UNARY_SECONDS):
                return await read_body(receive, self._max_body_bytes)
        except TimeoutError:
            raise DeadlineExceeded("The body did not come in time; send it again.") from None

    def _call(self, method: Method, scope: Scope, headers: dict[str, str]) -> Call:
        longest = math.inf if method.streams or method.takes_stream else UNARY_SECONDS
        seconds = timeout_of(headers, longest)
        client = scope.get("client")
        address = client[0] if client else ""
        by_edge = scope.get("state", {}).get("certificate") == EDGE
        proxied = by_edge or (bool(self._trusted) and is_trusted(address, self._trusted))
        if proxied:
            forwarded = headers.get("x-forwarded-for", "")
            address = client_address(address, forwarded, self._trusted, by_edge=by_edge)
        return Call(
            method=method,
            metadata=metadata_of(headers, proxied=proxied),
            address=address,
            deadline=time.monotonic() + seconds,
            protocol="http",
            trace=child_of(headers.get("traceparent")),
        )

    async def _unary(
        self, call: Call, request: Message, headers: dict[str, str]
    ) -> Message | bytes:
        try:
            return await self._chain.unary(call, request)
        except Fault as fault:
            if fault.reason == "ETAG_STALE" and "if-match" in headers:
                raise _stale(fault) from fault
            raise

    def _stream(
        self,
        operation: Operation,
        call: Call,
        request: Message,
        path: str,
        accept: str,
    ) -> StreamAnswer:
        def headers() -> list[tuple[bytes, bytes]]:
            return [
                (b"x-content-type-options", b"nosniff"),
                (b"cache-control", b"no-store"),
                # nginx would keep the events in its buffer otherwise.
                (b"x-accel-buffering", b"no"),
                *copied(call.response_headers),
            ]

        return StreamAnswer(
            framing_for(accept, operation.to_json, is_raw=operation.binding.is_raw),
            self._chain.stream(call, request),
            operation.method.response.FromString,
            headers,
            lambda error: self._mask(error, path),
            path=path,
            heartbeat=self._heartbeat,
        )

    async def _beside(
        self, scope: Scope, receive: Receive, send: Send, path: str, allowed: Sequence[str]
    ) -> None:
        """Serves what the contract does not know: the routes beside it, or a 404 or 405."""
        on_surface = path.startswith(self._surfaces)
        if await self._side.offer(scope, receive, send, on_surface=on_surface):
            return
        if allowed:
            names = [*allowed, "HEAD"] if "GET" in allowed else allowed
            raise NoSuchVerb(
                f"{scope['method']} is not possible here; use {' or '.join(allowed)}.",
                ", ".join(names),
            )
        raise NoSuchPage("There is nothing at this path; look it up in the API reference at /docs.")

    def _mask(self, error: Exception, path: str) -> Fault:
        incident = secrets.token_hex(6)
        self._log.error("request failed by a bug", path=path, incident=incident, exc_info=error)
        return Internal(
            f"Something went wrong here; tell an admin the incident id {incident}.",
            incident=incident,
        )


def rest_app(
    chain: Calls,
    *,
    extra_routes: Sequence[BaseRoute] = (),
    openapi: Callable[[], bytes] | None = None,
    allowed_hosts: AllowedHosts | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
    trusted_proxies: Collection[str] = (),
    heartbeat: float = HEARTBEAT_SECONDS,
) -> RestApp:
    """The HTTP application of a process.

    Args:
        chain: what every call goes through. Its public methods are served.
        extra_routes: WebSockets, static pages, metrics, health: served where the contract has no
            path. Below the first segment of the contract's paths (`/v1`), a route is only asked
            if its own path begins there too, so that a page for everything never hides a 404.
        openapi: makes the OpenAPI document (`chassis.rest.openapi.document_bytes`), when it is
            first asked for; None for neither `/openapi.json` nor `/docs`.
        allowed_hosts: the names in the `Host` header that are ours, without port, IPv6 in
            brackets; None for any. On loopback it keeps pages of other sites out that have bent
            their own name to 127.0.0.1.
        max_body_bytes: larger bodies are refused.
        trusted_proxies: addresses and networks whose `X-Forwarded-For` is believed.
        heartbeat: seconds after which a silent event stream shows a sign of life.

    Raises:
        ContractBroken: an HTTP rule of the contract is not as it must be.
        ValueError: a trusted proxy is no address.
    """
    pages = document_routes(openapi) if openapi is not None else []
    return RestApp(
        chain,
        SideRoutes([*pages, *extra_routes]),
        allowed_hosts=allowed_hosts,
        max_body_bytes=max_body_bytes,
        trusted_proxies=trusted_proxies,
        heartbeat=heartbeat,
    )


def _raw_path(scope: Scope) -> str:
    raw = scope.get("raw_path")
    if raw is None:
        return quote(scope["path"], safe="/:@!$&'()*+,;=~-._")
    return cast("bytes", raw).decode("latin-1")


def _stale(fault: Fault) -> PreconditionFailed:
    failed = PreconditionFailed(fault.message, fields=fault.fields, reason=fault.reason)
    failed.metadata = fault.metadata
    return failed


async def _send_problem(
    send: Send,
    fault: Fault,
    path: str,
    call_headers: Sequence[tuple[str, str]],
    *,
    bodiless: bool,
    before_end: Callable[[], Awaitable[None]] | None = None,
) -> None:
    payload = problem_bytes(fault, path)
    headers = [
        (b"content-type", PROBLEM_JSON.encode()),
        (b"content-length", b"%d" % len(payload)),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
        *problem_headers(fault),
        *copied(call_headers),
    ]
    await send({"type": "http.response.start", "status": status_of(fault), "headers": headers})
    if before_end is not None:
        await send({"type": "http.response.body", "body": payload, "more_body": True})
        await before_end()
        payload = b""
    await send({"type": "http.response.body", "body": b"" if bodiless else payload})


async def _live(receive: Receive, send: Send) -> None:
    """Answers the server's questions about start and end; the process itself lives elsewhere."""
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
