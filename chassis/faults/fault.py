"""The kinds of faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class Kind(Enum):
    """What sort of failure it is; the values are the names in the contract's `Kind`."""

    INVALID = "INVALID"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    CONFLICT = "CONFLICT"
    WRONG_STATE = "WRONG_STATE"
    EXHAUSTED = "EXHAUSTED"
    UNAVAILABLE = "UNAVAILABLE"
    DEADLINE = "DEADLINE"
    CANCELLED = "CANCELLED"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field that breaks the contract.

    Attributes:
        field: the path of the field in the request, `machine.ports[0].number`.
        message: what is wrong with it and what would be right.
    """

    field: str
    message: str


class Fault(Exception):
    """Something failed in a way that the caller can be told.

    Args:
        message: a sentence that says what happened and what to do; never the implementation.
        retry_after: seconds after which trying again may help; None where it does not.
        fields: the fields that are wrong, for faults of kind INVALID.
        reason: overrides the reason of the class, for faults that come from another service.
        metadata: every variable of the message, so that programs need not read the sentence.
    """

    kind: ClassVar[Kind] = Kind.INTERNAL
    reason: str = "INTERNAL_ERROR"

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        fields: Sequence[FieldViolation] = (),
        reason: str | None = None,
        **metadata: str,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.fields = tuple(fields)
        self.metadata: Mapping[str, str] = metadata
        if reason is not None:
            self.reason = reason


class Invalid(Fault):
    """The request breaks the contract."""

    kind = Kind.INVALID
    reason = "REQUEST_INVALID"


class Unauthenticated(Fault):
    """There is no token, or a bad one."""

    kind = Kind.UNAUTHENTICATED
    reason = "TOKEN_INVALID"


class Forbidden(Fault):
    """The caller is known, and not allowed."""

    kind = Kind.FORBIDDEN
    reason = "CALLER_NOT_ALLOWED"


class NotFound(Fault):
    """Absent, or not visible to the caller. Subclasses name the reason."""

    kind = Kind.NOT_FOUND


class AlreadyExists(Fault):
    """A unique name is taken. Subclasses name the reason."""

    kind = Kind.ALREADY_EXISTS


class Conflict(Fault):
    """A stale etag or a lost race."""

    kind = Kind.CONFLICT
    reason = "ETAG_STALE"


class WrongState(Fault):
    """Not possible in the present state. Subclasses name the reason."""

    kind = Kind.WRONG_STATE


class Exhausted(Fault):
    """Capacity, quota, balance or rate is used up."""

    kind = Kind.EXHAUSTED
    reason = "TOO_MANY_REQUESTS"


class Unavailable(Fault):
    """Something that is needed is away."""

    kind = Kind.UNAVAILABLE
    reason = "DEPENDENCY_UNAVAILABLE"


class DeadlineExceeded(Fault):
    """Out of time."""

    kind = Kind.DEADLINE
    reason = "DEADLINE_EXCEEDED"


class Cancelled(Fault):
    """The caller has gone."""

    kind = Kind.CANCELLED
    reason = "CALL_CANCELLED"


class Unimplemented(Fault):
    """There is no such method."""

    kind = Kind.UNIMPLEMENTED
    reason = "NO_SUCH_METHOD"


class Internal(Fault):
    """A bug, masked; the incident id in the metadata finds it in the log."""

    kind = Kind.INTERNAL
    reason = "INTERNAL_ERROR"


def kinds() -> Mapping[Kind, type[Fault]]:
    """The class of each kind, for faults that arrive from elsewhere with their kind only."""
    return {
        fault.kind: fault
        for fault in (
            Invalid,
            Unauthenticated,
            Forbidden,
            NotFound,
            AlreadyExists,
            Conflict,
            WrongState,
            Exhausted,
            Unavailable,
            DeadlineExceeded,
            Cancelled,
            Unimplemented,
            Internal,
        )
    }
