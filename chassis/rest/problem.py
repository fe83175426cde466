"""Faults as problem documents (RFC 9457)."""

from __future__ import annotations

import math
from typing import Any

import orjson

from chassis.faults import Fault, Kind, Unimplemented

PROBLEM_JSON = "application/problem+json"

STATUSES: dict[Kind, int] = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.ALREADY_EXISTS: 409,
    Kind.CONFLICT: 409,
    Kind.WRONG_STATE: 400,
    Kind.EXHAUSTED: 429,
    Kind.UNAVAILABLE: 503,
    Kind.DEADLINE: 504,
    Kind.CANCELLED: 499,
    Kind.UNIMPLEMENTED: 501,
    Kind.INTERNAL: 500,
}
"""The HTTP status of each kind of fault."""


class NoSuchPage(Unimplemented):
    """Nothing is at this path."""

    reason = "NO_SUCH_METHOD"
    status = 404


class NoSuchVerb(Unimplemented):
    """The path is known; this HTTP method is not one of its own, which `allowed` names."""

    reason = "NO_SUCH_METHOD"
    status = 405

    def __init__(self, message: str, allowed: str) -> None:
        super().__init__(message, allowed=allowed)
        self.allowed = allowed


class BodyTooLarge(Unimplemented):
    """The body is larger than the server takes."""

    reason = "BODY_TOO_LARGE"
    status = 413


class MediaTypeUnsupported(Unimplemented):
    """The body's media type is not JSON."""

    reason = "MEDIA_TYPE_UNSUPPORTED"
    status = 415


class PreconditionFailed(Fault):
    """The etag of `If-Match` is stale: the conflict that it is, with a status of its own."""

    kind = Kind.CONFLICT
    reason = "ETAG_STALE"
    status = 412


def status_of(fault: Fault) -> int:
    """The HTTP status that a fault is answered with."""
    own = getattr(fault, "status", None)
    return own if isinstance(own, int) else STATUSES[fault.kind]


def problem_of(fault: Fault, path: str) -> dict[str, Any]:
    """The problem document of a fault.

    Args:
        fault: what happened.
        path: the path that was asked for.
    """
    problem: dict[str, Any] = {
        "type": f"/errors/{fault.reason}",
        "title": fault.reason.replace("_", " ").capitalize(),
        "status": status_of(fault),
        "detail": fault.message,
        "instance": path,
        "reason": fault.reason,
    }
    if fault.metadata:
        problem["metadata"] = {key: str(value) for key, value in fault.metadata.items()}
    if fault.fields:
        problem["fields"] = [{"field": one.field, "message": one.message} for one in fault.fields]
    if fault.retry_after is not None:
        problem["retryAfter"] = fault.retry_after
    return problem


def problem_headers(fault: Fault) -> list[tuple[bytes, bytes]]:
    """The headers that say the same as the problem document, for clients that read no body."""
    headers = []
    if fault.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(fault.retry_after))))
    if fault.kind is Kind.UNAUTHENTICATED:
        challenge = b'Bearer realm="allocator"'
        if fault.reason.startswith("TOKEN_") and fault.reason != "TOKEN_MISSING":
            challenge += b', error="invalid_token"'
        headers.append((b"www-authenticate", challenge))
    if isinstance(fault, NoSuchVerb):
        headers.append((b"allow", fault.allowed.encode()))
    return headers


def problem_bytes(fault: Fault, path: str) -> bytes:
    """The problem document of a fault as it is sent."""
    return orjson.dumps(problem_of(fault, path))
