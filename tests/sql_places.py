"""Databases for tests that run on every SQL engine.

A suite names its engines and asks for the fixture `sql_place`:

    @pytest.fixture(params=SQL_ENGINES)
    def opening(request, sql_place) -> Opening:
        url = sql_place(request.param, "user_svc.schema")

Import the fixture in the `conftest.py` of the folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Connection, MetaData

from chassis.sql import Database
from tests.servers import drop_mysql, mysql_login, mysql_url

SQL_ENGINES = ("sqlite", pytest.param("mysql", marks=pytest.mark.real_mysql))

SqlPlace = Callable[[str, str], str]
"""Of an engine and a schema, the URL of a database with nothing in it."""


@pytest.fixture(scope="session")
def _mysql_databases() -> Iterator[dict[str, str]]:
    """The URL of one database for each schema; to make its tables costs more than to empty them."""
    urls: dict[str, str] = {}
    yield urls
    for url in urls.values():
        drop_mysql(url)


@pytest.fixture
def sql_place(request: pytest.FixtureRequest, tmp_path: Path) -> SqlPlace:
    """Where a test may have a database."""

    def url_of(engine: str, schema: str) -> str:
        if engine == "sqlite":
            return f"sqlite:///{tmp_path}/{schema.partition('.')[0]}.sqlite3"
        urls: dict[str, str] = request.getfixturevalue("_mysql_databases")
        if schema in urls:
            empty(urls[schema])
        else:
            urls[schema] = mysql_url()
        return urls[schema]

    return url_of


def empty(url: str) -> None:
    """Removes every row of a database on the SQL server, but not what its schema is."""
    import mysql.connector

    parts = urlsplit(url)
    with (
        mysql.connector.connect(**mysql_login(parts), database=parts.path.strip("/")) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SHOW TABLES")
        tables = [name for (name,) in cursor.fetchall() if name != "alembic_version"]
        cursor.execute("SET foreign_key_checks = 0")
        for table in tables:
            cursor.execute(f"DELETE FROM `{table}`")
        connection.commit()


async def what_is_stored(database: Database) -> bytes:
    """All text and bytes that a database has, as whoever steals it would read them."""
    if database.is_sqlite:
        file = Path(database.url.removeprefix("sqlite:///"))
        found = sorted(file.parent.glob(f"{file.name}*"))
        return b"".join(one.read_bytes() for one in found)

    def work(connection: Connection) -> bytes:
        tables = MetaData()
        tables.reflect(connection)
        values = (
            value
            for table in tables.sorted_tables
            for row in connection.execute(table.select())
            for value in row
        )
        return b"\n".join(
            value.encode() if isinstance(value, str) else bytes(value)
            for value in values
            if isinstance(value, str | bytes | bytearray)
        )

    return await database.read(work)
