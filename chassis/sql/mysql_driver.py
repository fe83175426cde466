"""Connections to a MySQL or MariaDB server, by the driver alone.

Imported only where such a server is used: the driver is an optional part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mysql.connector
import structlog
from mysql.connector.constants import ClientFlag

# What every server must do whatever its own settings are: refuse what it would have to change to
# store it, keep times in UTC, and let nobody wait long for somebody else's lock.
_MODES = (
    "ONLY_FULL_GROUP_BY",
    "STRICT_TRANS_TABLES",
    "NO_ZERO_IN_DATE",
    "NO_ZERO_DATE",
    "ERROR_FOR_DIVISION_BY_ZERO",
    "NO_ENGINE_SUBSTITUTION",
)

_log = structlog.get_logger("chassis.sql")


def connect(login: Mapping[str, Any], *, statement_seconds: float, lock_seconds: int) -> Any:
    """A connection, set up for this program.

    Args:
        login: what `mysql.connector.connect` takes: host, port, user, time-outs, TLS.
        statement_seconds: how long the server may work on a statement; 0 for as long as it takes.
            MariaDB ends every statement then, MySQL those that only read.
        lock_seconds: how long a statement waits for a lock.

    Raises:
        mysql.connector.Error: the server is away, or refuses.
    """
    flags = ClientFlag.get_default()
    # How many rows an UPDATE has found, not how many it has changed: as SQLite counts.
    flags |= ClientFlag.FOUND_ROWS
    # One statement at a time: what is smuggled into one cannot become a second.
    flags &= ~ClientFlag.MULTI_STATEMENTS
    connection = _CLASS(
        **login,
        charset="utf8mb4",
        # One that MySQL and MariaDB both know; the driver's own choice is MySQL's alone.
        collation="utf8mb4_bin",
        client_flags=flags,
        allow_local_infile=False,
        conn_attrs={"program_name": "allocator"},
    )
    if "MariaDB" in connection.server_info:
        limit = f"max_statement_time={statement_seconds:.3f}"
    else:
        limit = f"max_execution_time={int(statement_seconds * 1000)}"
    connection.cmd_query(
        f"SET SESSION time_zone='+00:00', sql_mode='{','.join(_MODES)}', "
        f"innodb_lock_wait_timeout={lock_seconds}, lock_wait_timeout={lock_seconds}, {limit}"
    )
    return connection


def _class_of_connections() -> Any:
    try:
        from mysql.connector.connection_cext import CMySQLConnection
    except ImportError:
        _log.warning("the database driver runs without its C extension: calls cost twice as much")
        return mysql.connector.MySQLConnection

    class Connection(CMySQLConnection):
        """A connection that asks the server nothing before it makes a cursor."""

        def is_connected(self) -> bool:
            """Whether it is open on this side.

            The driver would send a ping for each cursor, and so for each statement. That a server is
            away is found out by the statement itself.
            """
            return self._cmysql is not None

    return Connection


_CLASS = _class_of_connections()
