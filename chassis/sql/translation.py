"""Errors of drivers, as faults that say what to do."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from chassis.faults import Fault, Unavailable

_ALMOST_NOTHING = 4 * 2**20
_BUSY_RETRY = 1.0
_AWAY_RETRY = 2.0

# https://www.sqlite.org/rescode.html: the primary codes are the lowest eight bits.
_SQLITE_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_SQLITE_FILES = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)

# https://dev.mysql.com/doc/mysql-errors/8.4/en/
_MYSQL_FULL = (3, 1021, 1026, 1114)
_MYSQL_BUSY = (1040, 1203, 1205, 1213, 1226, 3024)
_MYSQL_AWAY = (1053, 1077, 1079, 1152, 1290, 1836, 2002, 2003, 2005, 2006, 2013, 2014, 2055)
_MYSQL_LOST_RACE = (1205, 1213)


@contextmanager
def driver_errors_as_faults(path: Path | None) -> Iterator[None]:
    """Turns the errors of drivers that a caller can be told about into faults.

    Args:
        path: the file of the database; None for a server.

    Raises:
        Unavailable: DISK_FULL, OVERLOADED (it is locked for too long, or has too many connections) or
            DEPENDENCY_UNAVAILABLE (it is away).
        IntegrityError: as it is: only the adapter knows which of its rules it breaks.
        DBAPIError: anything else, as it is: a bug, or a database that is damaged.
    """
    try:
        yield
    except IntegrityError:
        raise
    except PoolTimeoutError as error:
        raise _overloaded() from error
    except DBAPIError as error:
        fault = _fault_of(error.orig, path)
        if fault is None:
            raise
        raise fault from error
    except sqlite3.Error as error:
        fault = _fault_of(error, path)
        if fault is None:
            raise
        raise fault from error


def lost_a_race(error: BaseException) -> bool:
    """Whether the transaction was undone by the engine because of another one, so that it can be run again."""
    orig = error.orig if isinstance(error, DBAPIError) else None
    return getattr(orig, "errno", None) in _MYSQL_LOST_RACE


def _fault_of(error: BaseException | None, path: Path | None) -> Fault | None:
    if isinstance(error, sqlite3.Error):
        return _fault_of_sqlite(getattr(error, "sqlite_errorcode", 0) or 0, path)
    errno = getattr(error, "errno", None)
    if errno in _MYSQL_FULL:
        return _disk_full()
    if errno in _MYSQL_BUSY:
        return _overloaded()
    if errno in _MYSQL_AWAY:
        return Unavailable(
            "The database does not answer; try again in a moment.", retry_after=_AWAY_RETRY
        )
    return None


def _fault_of_sqlite(code: int, path: Path | None) -> Fault | None:
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return _disk_full()
    if primary in _SQLITE_BUSY:
        return _overloaded()
    if primary in _SQLITE_FILES and path is not None and _is_full(path):
        return _disk_full()
    return None


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _ALMOST_NOTHING
    except OSError:
        return False


def _disk_full() -> Unavailable:
    return Unavailable(
        "The disk is full; free space in the data folder. Nothing was changed.",
        reason="DISK_FULL",
        retry_after=30.0,
    )


def _overloaded() -> Unavailable:
    return Unavailable(
        "The database has too much to do at present; try again in a moment.",
        reason="OVERLOADED",
        retry_after=_BUSY_RETRY,
    )
