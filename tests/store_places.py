"""Databases for tests of stores that are SQL or documents.

A suite names its engines and asks for the fixture `store_place`, as it would for `sql_place`:

    @pytest.fixture(params=STORE_ENGINES)
    def opening(request, store_place) -> Opening:
        url = store_place(request.param, "machines_svc.schema")
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.servers import drop_mongodb, drop_mysql, mongodb_url, mysql_url
from tests.sql_places import SQL_ENGINES, SqlPlace

STORE_ENGINES = (*SQL_ENGINES, pytest.param("mongodb", marks=pytest.mark.real_mongodb))

_SEEDED = frozenset({"broker.schema"})
"""Schemas whose migrations add rows too: their databases cannot be emptied and used again."""

LEFT_SOCKETS = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)
"""For tests that cancel calls of pymongo: a socket that is being connected then is closed only when
nothing refers to it any more (`pymongo.pool_shared._async_create_connection` in 4.20)."""


@pytest.fixture
def left_sockets_closed() -> Iterator[None]:
    """Has them closed before the next test begins; for tests with `LEFT_SOCKETS`."""
    yield
    gc.collect()


@pytest.fixture
def store_place(sql_place: SqlPlace) -> Iterator[SqlPlace]:
    """Where a test may have a database, of an engine and a schema."""
    with ExitStack() as exits:

        def url_of(engine: str, schema: str) -> str:
            if engine == "mongodb":
                url = mongodb_url()
                exits.callback(drop_mongodb, url)
            elif engine == "mysql" and schema in _SEEDED:
                url = mysql_url()
                exits.callback(drop_mysql, url)
            else:
                url = sql_place(engine, schema)
            return url

        yield url_of
