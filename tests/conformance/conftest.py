"""What the conformance suites share."""

from __future__ import annotations

from tests.sql_places import _mysql_databases, sql_place
from tests.store_places import left_sockets_closed, store_place

__all__ = ["_mysql_databases", "left_sockets_closed", "sql_place", "store_place"]
