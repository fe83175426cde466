"""Faults as gRPC statuses, and back.

A status carries `google.rpc.ErrorInfo` always, `BadRequest` for wrong fields and `RetryInfo` where
waiting helps (AIP-193).
"""

from __future__ import annotations

from collections.abc import Iterable

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2

from chassis.faults import Fault, FieldViolation, Kind, kinds

DOMAIN = "allocator"
DETAILS_KEY = "grpc-status-details-bin"

CODES: dict[Kind, grpc.StatusCode] = {
    Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Kind.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    Kind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Kind.ALREADY_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    Kind.CONFLICT: grpc.StatusCode.ABORTED,
    Kind.WRONG_STATE: grpc.StatusCode.FAILED_PRECONDITION,
    Kind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Kind.DEADLINE: grpc.StatusCode.DEADLINE_EXCEEDED,
    Kind.CANCELLED: grpc.StatusCode.CANCELLED,
    Kind.UNIMPLEMENTED: grpc.StatusCode.UNIMPLEMENTED,
    Kind.INTERNAL: grpc.StatusCode.INTERNAL,
}
_KINDS = {code: kind for kind, code in CODES.items()}
_NUMBERS = {kind: code.value[0] for kind, code in CODES.items()}


def status_of(fault: Fault) -> status_pb2.Status:
    """The status that says what the fault says."""
    status = status_pb2.Status(code=_NUMBERS[fault.kind], message=fault.message)
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(
            reason=fault.reason, domain=DOMAIN, metadata=dict(fault.metadata)
        )
    )
    if fault.fields:
        bad = error_details_pb2.BadRequest()
        for one in fault.fields:
            bad.field_violations.add(field=one.field, description=one.message)
        status.details.add().Pack(bad)
    if fault.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(int(fault.retry_after * 1e9))
        status.details.add().Pack(retry)
    return status


def fault_of(error: grpc.aio.AioRpcError, peer: str) -> Fault:
    """The fault that a call to a peer ended with; what the peer said is kept.

    Args:
        error: what the call raised.
        peer: the service that was called: named where the peer itself could say nothing.
    """
    raw = said_by_peer(error)
    kind = _KINDS.get(error.code(), Kind.INTERNAL)
    cls = kinds()[kind]
    if raw is None:
        return _silent_peer(kind, cls, peer)
    status = status_pb2.Status.FromString(raw)
    reason, metadata = cls.reason, {}
    fields: list[FieldViolation] = []
    retry_after: float | None = None
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            about = error_details_pb2.ErrorInfo()
            detail.Unpack(about)
            reason, metadata = about.reason, dict(about.metadata)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            fields = [FieldViolation(v.field, v.description) for v in bad.field_violations]
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = error_details_pb2.RetryInfo()
            detail.Unpack(retry)
            retry_after = retry.retry_delay.ToNanoseconds() / 1e9
    message = status.message
    if kind is Kind.DEADLINE and "service" not in metadata:
        # It was the peer itself that was slow, not one that it asked.
        message, metadata = _late(peer), {**metadata, "service": peer}
    fault = cls(message, reason=reason, retry_after=retry_after, fields=fields)
    fault.metadata = metadata
    return fault


def _silent_peer(kind: Kind, cls: type[Fault], peer: str) -> Fault:
    """What to say where the peer did not answer for itself."""
    if kind is Kind.DEADLINE:
        return cls(_late(peer), service=peer)
    if kind in (Kind.UNAVAILABLE, Kind.CANCELLED):
        unavailable = kinds()[Kind.UNAVAILABLE]
        return unavailable(
            f"{peer} cannot be reached; try again in a moment.", retry_after=1.0, service=peer
        )
    return cls(f"{peer} failed without saying why.", service=peer)


def _late(peer: str) -> str:
    return f"{peer} did not answer in time; try again."


def said_by_peer(error: grpc.aio.AioRpcError) -> bytes | None:
    """The status that the peer itself sent; None where it did not answer."""
    trailing: Iterable[tuple[str, str | bytes]] = error.trailing_metadata() or ()
    for key, value in trailing:
        if key == DETAILS_KEY and isinstance(value, bytes):
            return value
    return None


assert set(_NUMBERS.values()) <= set(code_pb2.Code.values())
