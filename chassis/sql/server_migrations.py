"""What migrations need on a database server, where they are not one transaction.

MySQL and MariaDB commit each statement that changes tables by itself. A migration that is interrupted
has made some of its tables and says nowhere that it is done, so it is run again from its start: while
it runs, a table `migration_begun` names it, and in one that had begun before, a statement that finds
its table, column or index there already counts as done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    String,
    Table,
    event,
    insert,
    select,
    text,
)

from chassis.faults import Unavailable

PATIENCE = 120
"""How long a process waits for another one that migrates, in seconds."""

_BEGUN = Table("migration_begun", MetaData(), Column("revision", String(32), primary_key=True))

# Table, column, index or constraint is there already, or is gone already; 1005 when its error is 121.
_DONE_ALREADY = (1050, 1051, 1060, 1061, 1068, 1091, 1826)
_CANNOT_CREATE = 1005

# Compare text by its code points, like SQLite, and not as equal what differs in spaces at its end.
_COLLATIONS = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin")


@event.listens_for(Table, "before_create")
def _as_sqlite_compares(table: Table, connection: Connection, **_: Any) -> None:
    if connection.dialect.name != "mysql":
        return
    known = connection.execute(
        text(
            "SELECT COLLATION_NAME FROM information_schema.COLLATIONS "
            "WHERE COLLATION_NAME IN (:one, :other)"
        ),
        {"one": _COLLATIONS[0], "other": _COLLATIONS[1]},
    ).scalars()
    names = set(known)
    for collation in _COLLATIONS:
        if collation in names:
            table.kwargs["mysql_engine"] = "InnoDB"
            table.kwargs["mysql_charset"] = "utf8mb4"
            table.kwargs["mysql_collate"] = collation
            return
    raise RuntimeError(
        "The database server is too old: it must be MySQL 8 or MariaDB 10.6 at least."
    )


@contextmanager
def migrating_alone(engine: Engine, schema: str) -> Iterator[Connection]:
    """A connection that holds the lock for migrations of one schema.

    Raises:
        Unavailable: another process has been migrating for too long.
    """
    with engine.connect() as connection:
        name = lock_name(connection, schema)
        got = connection.execute(
            text("SELECT GET_LOCK(:name, :seconds)"), {"name": name, "seconds": PATIENCE}
        ).scalar()
        if got != 1:
            raise Unavailable(
                "Another process is migrating this database; start again when it has finished.",
                reason="OVERLOADED",
                retry_after=PATIENCE,
            )
        # What is read next is what the one before has committed.
        connection.commit()
        try:
            yield connection
            connection.commit()
        finally:
            if not connection.invalidated:
                connection.rollback()
                connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": name})
                connection.commit()


class Resuming:
    """Runs migrations that may have been interrupted before.

    Args:
        connection: of `migrating_alone`.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._again = False
        event.listen(connection.engine, "do_execute", self._execute)
        event.listen(connection.engine, "do_execute_no_params", self._execute_no_params)
        _BEGUN.create(connection, checkfirst=True)

    def begin(self, revision: str) -> None:
        """Writes down that a migration begins."""
        self._again = revision in set(self._connection.execute(select(_BEGUN)).scalars())
        if not self._again:
            self._connection.execute(insert(_BEGUN), {"revision": revision})
        self._connection.commit()

    def end(self) -> None:
        """Forgets what had begun; the migrations have said that they are done."""
        self._again = False
        self._connection.commit()
        _BEGUN.drop(self._connection)

    def _execute(self, cursor: Any, statement: str, parameters: Any, _context: Any) -> bool:
        try:
            cursor.execute(statement, parameters)
        except Exception as error:
            if not self._again or not _is_done_already(error):
                raise
        return True

    def _execute_no_params(self, cursor: Any, statement: str, context: Any) -> bool:
        return self._execute(cursor, statement, (), context)


def _is_done_already(error: Exception) -> bool:
    errno = getattr(error, "errno", None)
    return errno in _DONE_ALREADY or (errno == _CANNOT_CREATE and "errno: 121" in str(error))


def lock_name(connection: Connection, purpose: str) -> str:
    """The name of a lock of one database: locks belong to the whole server.

    Args:
        connection: to the database.
        purpose: what it is held for, as the schema that is migrated.
    """
    database = connection.execute(text("SELECT DATABASE()")).scalar()
    # Names end at 64 characters.
    return "migrate:" + hashlib.sha256(f"{database}/{purpose}".encode()).hexdigest()[:40]
