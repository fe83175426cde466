"""One call of a method, whichever way it came in."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from chassis.identity.caller import NOBODY, Caller
from chassis.rpc.contract import Method

_SHAVED_PART = 0.05
_SHAVED_SECONDS = 0.02


def shaved(seconds: float) -> float:
    """A little less time than the caller gives: 5 %, 20 ms at most.

    Whoever is further away from the person gives up first, so that the others can still say who it was.
    """
    return seconds - min(seconds * _SHAVED_PART, _SHAVED_SECONDS)


@dataclass(slots=True)
class Call:
    """One call of a method: entered by the gRPC server on one side and by the HTTP layer on the other.

    Attributes:
        method: what is called.
        metadata: what came beside the request, keys in lower case: gRPC metadata, or the HTTP
            headers that the HTTP layer lets through (authorization, cookie, origin, user-agent, …).
        address: the network address of the caller, for limits and logs.
        deadline: when the call is out of time, as `time.monotonic()` in seconds.
        protocol: `grpc` or `http`.
        certificate: the name in the caller's certificate, `edge` or that of a service; None where the
            connection needs none, as this process's own socket does.
        caller: who calls, once the chain has found out.
        trace: the W3C trace parent of the call, passed along to peers and facts.
        response_headers: sent beside the answer: gRPC initial metadata, or HTTP headers.
    """

    method: Method
    metadata: Mapping[str, str]
    address: str
    deadline: float
    protocol: str = "grpc"
    certificate: str | None = None
    caller: Caller = NOBODY
    trace: str = ""
    response_headers: list[tuple[str, str]] = field(default_factory=list)

    def remaining(self) -> float:
        """Seconds until the deadline; never negative."""
        return max(0.0, self.deadline - time.monotonic())


current_call: ContextVar[Call | None] = ContextVar("current_call", default=None)
"""The call that this task serves; None in work of our own. Set by the chain."""
