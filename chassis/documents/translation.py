"""Errors of the driver, as faults that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo.errors import (
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WTimeoutError,
)

from chassis.faults import Fault, Invalid, Unavailable

_BUSY_RETRY = 1.0
_AWAY_RETRY = 2.0
_FULL_RETRY = 30.0

# https://www.mongodb.com/docs/manual/reference/error-codes/
_TOO_LARGE = (10334, 17420)
_TOO_LARGE_AFTERWARDS = (17419,)
_DISK_FULL = (14031,)
_BUSY = (24, 46, 50, 112, 202, 262)
_AWAY = (6, 7, 64, 89, 91, 100, 133, 134, 189, 317, 9001, 10107, 11600, 11602, 13435, 13436)
_NOT_LET_IN = (13, 18, 8000)


@contextmanager
def driver_errors_as_faults() -> Iterator[None]:
    """Turns the errors of the driver that a caller can be told about into faults.

    Raises:
        Unavailable: DISK_FULL, OVERLOADED (too many calls at once, or too many changes of one document
            wait to be published) or DEPENDENCY_UNAVAILABLE (it is away, or too slow). Whether a write
            that was under way has happened is not known then.
        Invalid: a document is larger than the database takes.
        DuplicateKeyError: as it is: only the adapter knows which of its rules it breaks.
        PyMongoError: anything else, as it is: a bug.
    """
    try:
        yield
    except DuplicateKeyError:
        raise
    except DocumentTooLarge as error:
        raise _too_large() from error
    except PyMongoError as error:
        fault = _fault_of(error)
        if fault is None:
            raise
        raise fault from error


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


def _fault_of(error: PyMongoError) -> Fault | None:
    # The first of these is also one of the kinds that come later.
    if isinstance(error, WaitQueueTimeoutError):
        return overloaded()
    if isinstance(error, ServerSelectionTimeoutError | ConnectionFailure):
        return away()
    if isinstance(error, WriteConcernError | WTimeoutError):
        return away()
    if isinstance(error, ExecutionTimeout):
        return overloaded()
    code = error.code if isinstance(error, OperationFailure) else None
    if code in _TOO_LARGE:
        return _too_large()
    if code in _TOO_LARGE_AFTERWARDS:
        return Unavailable(
            "So many changes of it wait to be published that no more can be kept; try again later.",
            reason="OVERLOADED",
            retry_after=_FULL_RETRY,
        )
    if code in _DISK_FULL:
        return Unavailable(
            "The disk of the database is full; free space there. Nothing was changed.",
            reason="DISK_FULL",
            retry_after=_FULL_RETRY,
        )
    if code in _NOT_LET_IN:
        return Unavailable(
            "The database does not let this service in; check the user and password that it was given.",
            retry_after=_FULL_RETRY,
        )
    if code in _BUSY:
        return overloaded()
    if code in _AWAY or error.timeout:
        return away()
    return None


def _too_large() -> Invalid:
    return Invalid("It is larger than what can be kept, which is 16 MB; make it smaller.")
