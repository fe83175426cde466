"""Errors of the driver, as faults that say what to do."""

from __future__ import annotations

from cassandra import (
    AuthenticationFailed,
    DriverException,
    RequestValidationException,
    Unauthorized,
)
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionBusy, ConnectionException
from cassandra.protocol import ErrorMessage, OverloadedErrorMessage

from chassis.faults import Fault, Unavailable

_BUSY_RETRY = 1.0
_AWAY_RETRY = 2.0
_CLOSED_RETRY = 30.0


def fault_of(error: BaseException) -> Fault | None:
    """The fault that an error of the driver is; None for a bug of ours.

    Whether a write that was under way has happened is not known, whatever the fault.
    """
    if isinstance(error, NoHostAvailable):
        causes = [one for one in error.errors.values() if isinstance(one, BaseException)]
        if causes and all(isinstance(one, AuthenticationFailed) for one in causes):
            return _not_let_in()
        return away()
    if isinstance(error, AuthenticationFailed | Unauthorized):
        return _not_let_in()
    if isinstance(error, OverloadedErrorMessage | ConnectionBusy):
        return overloaded()
    if isinstance(error, RequestValidationException):
        return None
    if isinstance(error, DriverException | ConnectionException | ErrorMessage | OSError):
        return away()
    return None


def overloaded() -> Unavailable:
    """The fault for more calls than the database can take."""
    return Unavailable(
        "The database has too much to do at present; try again in a moment.",
        reason="OVERLOADED",
        retry_after=_BUSY_RETRY,
    )


def away() -> Unavailable:
    """The fault for a database that is away, or does not answer in time."""
    return Unavailable(
        "The database does not answer; try again in a moment.", retry_after=_AWAY_RETRY
    )


def stopping() -> Unavailable:
    """The fault for a process that is ending."""
    return Unavailable("The service is stopping; try again.", reason="SERVICE_STOPPING")


def _not_let_in() -> Unavailable:
    return Unavailable(
        "The database does not let this service in; check the user and password that it was given.",
        retry_after=_CLOSED_RETRY,
    )
