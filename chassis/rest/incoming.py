"""What an HTTP request says beside its path and its body: headers, address, deadline."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Iterable, Mapping

from starlette.types import Receive

from chassis.faults import Invalid
from chassis.rest.problem import BodyTooLarge

LET_THROUGH = (
    "authorization",
    "cookie",
    "origin",
    "host",
    "user-agent",
    "accept-language",
    "traceparent",
    "x-request-id",
)
"""The headers that become metadata of the call. `x-forwarded-for` does if a trusted proxy sent it.
All others stay here: what a service may read is a closed list."""

READ_HERE = (
    "accept",
    "content-length",
    "content-type",
    "grpc-timeout",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "transfer-encoding",
    "x-forwarded-for",
    "x-request-timeout",
)
"""The headers that mean something to the HTTP layer itself."""

_WANTED = {name.encode(): name for name in (*LET_THROUGH, *READ_HERE)}
_PASSED = frozenset(LET_THROUGH)
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_GRPC_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


def wanted_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers that mean something here or to services; a repeated one is joined."""
    headers: dict[str, str] = {}
    for key, value in raw:
        name = _WANTED.get(key)
        if name is None:
            continue
        text = value.decode("latin-1")
        if name in headers:
            text = f"{headers[name]}{'; ' if name == 'cookie' else ', '}{text}"
        headers[name] = text
    return headers


def metadata_of(headers: Mapping[str, str], *, proxied: bool) -> dict[str, str]:
    """The part of the headers that services may read."""
    passed = {name: value for name, value in headers.items() if name in _PASSED}
    if proxied and "x-forwarded-for" in headers:
        passed["x-forwarded-for"] = headers["x-forwarded-for"]
    return passed


def timeout_of(headers: Mapping[str, str], longest: float) -> float:
    """How long the call may take, in seconds: what the caller says, `longest` at most.

    `X-Request-Timeout` is a number of seconds, `2.5`; `grpc-timeout` as in gRPC, `2500m`.

    Raises:
        Invalid: one of them cannot be read.
    """
    said = headers.get("x-request-timeout")
    if said is not None:
        if not _SECONDS.fullmatch(said):
            raise Invalid(
                "The request is not valid: X-Request-Timeout is a number of seconds, 2.5."
            )
        return min(longest, float(said))
    said = headers.get("grpc-timeout")
    if said is not None:
        found = _GRPC_TIMEOUT.fullmatch(said)
        if found is None:
            raise Invalid("The request is not valid: grpc-timeout is a number and a unit, 2500m.")
        return min(longest, int(found[1]) * _UNITS[found[2]])
    return longest


def refuse_large(headers: Mapping[str, str], most: int) -> None:
    """Refuses a body that says to be too large, before it is read.

    Raises:
        BodyTooLarge: it says so.
    """
    said = headers.get("content-length", "")
    if said.isdigit() and int(said[:19]) > most:
        raise too_large(most)


def too_large(most: int) -> BodyTooLarge:
    """The fault of a body of more than `most` bytes."""
    return BodyTooLarge(
        f"The body is larger than {most} bytes; send less at once.", max_bytes=str(most)
    )


def says_body(headers: Mapping[str, str]) -> bool:
    """Whether the headers announce a body (RFC 9112, section 6)."""
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


async def read_body(receive: Receive, most: int) -> bytes:
    """Reads the whole body.

    Raises:
        BodyTooLarge: it is larger than `most` bytes.
        ClientGone: the client went away.
    """
    parts: list[bytes] = []
    size = 0
    async for part in body_parts(receive):
        size += len(part)
        if size > most:
            raise too_large(most)
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def body_parts(receive: Receive) -> AsyncIterator[bytes]:
    """The body as it comes; the next part is read when it is asked for.

    Raises:
        ClientGone: the client went away before the end.
    """
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientGone
        yield event.get("body", b"")
        if not event.get("more_body", False):
            return


def quality(accept: str, media_type: str) -> float:
    """How much an `Accept` header wants a media type by its own name, from 0 to 1."""
    best = 0.0
    for part in accept.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if name != media_type:
            continue
        wanted = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    wanted = float(parameter[2:])
                except ValueError:
                    wanted = 0.0
        if math.isfinite(wanted):
            best = max(best, wanted)
    return best
