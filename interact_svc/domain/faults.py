"""What can go wrong with a console."""

from __future__ import annotations

from chassis.faults import Exhausted, Fault, Invalid, NotFound, Unauthenticated, Unavailable


class FrameInvalid(Invalid):
    """A client's frame cannot be read, or comes at the wrong time."""

    reason = "FRAME_INVALID"


class TooManyConsoles(Exhausted):
    """The person or the allocation has as many open consoles as it may."""

    reason = "TOO_MANY_CONSOLES"


class TooManyFrames(Exhausted):
    """The client sends more than it may."""

    reason = "TOO_MANY_FRAMES"


class TokenExpired(Unauthenticated):
    """The access token has ended, and no other one came."""

    reason = "TOKEN_EXPIRED"


class TrustStale(Unavailable):
    """It is not known at present which tokens are revoked."""

    reason = "TRUST_STALE"


class ServiceStopping(Unavailable):
    """The service stops; another replica, or the next process, goes on."""

    reason = "SERVICE_STOPPING"


class AllocationNotFound(NotFound):
    """There is no such allocation, or it is somebody else's."""

    reason = "ALLOCATION_NOT_FOUND"


__all__ = [
    "AllocationNotFound",
    "Fault",
    "FrameInvalid",
    "ServiceStopping",
    "TokenExpired",
    "TooManyConsoles",
    "TooManyFrames",
    "TrustStale",
]
