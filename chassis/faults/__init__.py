"""Faults: the one idea of failure that crosses every hop, in pure Python.

A fault has a kind, which decides its gRPC and HTTP status in `chassis.rpc` and `chassis.rest`, and a
reason from the closed list in `allocator/reasons/v1/reason.proto`. Services derive their own faults
from the kinds here; each names its reason, and is raised with the sentence that it says.
"""

from chassis.faults.fault import (
    AlreadyExists,
    Cancelled,
    Conflict,
    DeadlineExceeded,
    Exhausted,
    Fault,
    FieldViolation,
    Forbidden,
    Internal,
    Invalid,
    Kind,
    NotFound,
    Unauthenticated,
    Unavailable,
    Unimplemented,
    WrongState,
    kinds,
)

__all__ = [
    "AlreadyExists",
    "Cancelled",
    "Conflict",
    "DeadlineExceeded",
    "Exhausted",
    "Fault",
    "FieldViolation",
    "Forbidden",
    "Internal",
    "Invalid",
    "Kind",
    "NotFound",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "WrongState",
    "kinds",
]
