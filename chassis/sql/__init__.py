"""SQL stores: one adapter per port for every engine, written with SQLAlchemy Core.

The work on the database is synchronous functions of a connection, run as one unit: a transaction in
the writing thread, a snapshot in the reading ones. Build statements once, at import time, with
`bindparam`s: SQLAlchemy keeps their compiled form, but comparing a freshly built one costs more than
the row. What calls wait for most often is `Prepared`. Importing this room imports no driver; opening a
database imports the one that it needs.
"""

from chassis.sql.database import Database
from chassis.sql.migrations import (
    SchemaTooNew,
    SchemaTooOld,
    assert_schema_matches,
    schema_revision,
)
from chassis.sql.opening import open_database
from chassis.sql.prepared import Prepared
from chassis.sql.types import Instant, JsonText, RowNumber
from chassis.sql.upserts import upsert

__all__ = [
    "Database",
    "Instant",
    "JsonText",
    "Prepared",
    "RowNumber",
    "SchemaTooNew",
    "SchemaTooOld",
    "assert_schema_matches",
    "open_database",
    "schema_revision",
    "upsert",
]
