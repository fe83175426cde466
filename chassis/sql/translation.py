"""Errors of drivers, as faults that say what to do."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError, IntegrityError

from chassis.faults import Fault, Unavailable

_ALMOST_NOTHING = 4 * 2**20
_BUSY_RETRY = 1.0
_AWAY_RETRY = 2.0
_REFUSED_RETRY = 30.0

# https://www.sqlite.org/rescode.html: the primary codes are the lowest eight bits.
_SQLITE_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_SQLITE_FILES = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)

# https://dev.mysql.com/doc/mysql-errors/8.4/en/, https://mariadb.com/kb/en/mariadb-error-code-reference/
_MYSQL_FULL = (3, 1021, 1026, 1114)
# Too many connections, too long in the queue for a lock, or too long at work.
_MYSQL_BUSY = (1040, 1203, 1205, 1213, 1226, 1317, 1969, 3024)
_MYSQL_AWAY = (
    *(1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 4031),
    # It may only be read: another server has taken its place, or will.
    *(1290, 1836),
    *(2002, 2003, 2005, 2006, 2012, 2013, 2014, 2026, 2045, 2048, 2055),
)
_MYSQL_REFUSES = (1044, 1045, 1049, 1129, 1130, 1142, 1227, 1251, 1698, 2049, 2054, 2061)
_MYSQL_LOST_RACE = (1205, 1213)
# CHECK on MySQL and MariaDB, and NOT NULL where no value was given: the rest is already an
# `IntegrityError` to the driver.
_MYSQL_RULES = (1364, 3819, 4025)
_MYSQL_MODULES = ("mysql", "_mysql_connector")
_NOT_AVAILABLE = "Connection not available"


class LostRace(Unavailable):
    """Another transaction was faster: undo this one and run the work again.

    It is raised by work itself. Where the work is not run again, or too often, it is what the caller
    is told.
    """


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
    except DBAPIError as error:
        fault = _fault_of(error.orig, path)
        if fault is None:
            raise
        raise fault from error
    except Exception as error:
        # Of the driver itself, if it is one at all: what ends transactions asks it directly.
        fault = _fault_of(error, path)
        if fault is None:
            raise
        raise fault from error


def lost_a_race(error: BaseException) -> bool:
    """Whether the transaction was undone, or must be, because of another one, and can be run again."""
    # What was raised last may be that a savepoint has gone with the transaction that was undone.
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, LostRace):
            return True
        if isinstance(seen, DBAPIError) and _errno(seen.orig) in _MYSQL_LOST_RACE:
            return True
        seen = seen.__context__
    return False


def lost_its_server(error: BaseException) -> bool:
    """Whether the connection to a server is of no use any more."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _is_away(error.orig)
    return _is_away(error)


def breaks_a_rule(error: BaseException | None) -> bool:
    """Whether a driver's error is one of MySQL's that SQLAlchemy does not take for an IntegrityError."""
    return _errno(error) in _MYSQL_RULES


def _errno(error: BaseException | None) -> int | None:
    # An OSError has one too.
    driver = type(error).__module__.partition(".")[0] in _MYSQL_MODULES
    return getattr(error, "errno", None) if driver else None


def _is_away(error: BaseException | None) -> bool:
    errno = _errno(error)
    return errno in _MYSQL_AWAY or (errno == -1 and _NOT_AVAILABLE in str(error))


def is_locked(error: sqlite3.Error) -> bool:
    """Whether SQLite says that somebody else has the lock, for whichever of its reasons."""
    return _primary(error) in _SQLITE_BUSY


def _primary(error: sqlite3.Error) -> int:
    return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def _fault_of(error: BaseException | None, path: Path | None) -> Fault | None:
    if isinstance(error, sqlite3.Error):
        return _fault_of_sqlite(error, path)
    errno = _errno(error)
    if errno in _MYSQL_FULL:
        return _disk_full()
    if errno in _MYSQL_BUSY:
        return overloaded()
    if _is_away(error):
        return away()
    if errno in _MYSQL_REFUSES:
        return Unavailable(
            "The database refuses this process: check the user, the password, the name and the "
            f"grants (error {errno}).",
            retry_after=_REFUSED_RETRY,
        )
    return None


def _fault_of_sqlite(error: sqlite3.Error, path: Path | None) -> Fault | None:
    primary = _primary(error)
    if primary == sqlite3.SQLITE_FULL:
        return _disk_full()
    if is_locked(error):
        return overloaded()
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


def overloaded() -> Unavailable:
    """The fault of a database that has too much to do."""
    return Unavailable(
        "The database has too much to do at present; try again in a moment.",
        reason="OVERLOADED",
        retry_after=_BUSY_RETRY,
    )


def away() -> Unavailable:
    """The fault of a database that cannot be reached."""
    return Unavailable(
        "The database does not answer; try again in a moment.", retry_after=_AWAY_RETRY
    )
