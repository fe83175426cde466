"""The real servers that tests run on: where they are, and a place of one's own on each.

The addresses come from the environment. A test that needs one which is not set fails: whoever selects
such tests has said that the servers are there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4


def _setting(name: str) -> str:
    value = os.environ.get(name, "")
    assert value, f"{name} is not set, but a test that needs it was selected"
    return value


def own_name(about: str = "") -> str:
    """A name for a database, a group, a topic, that nobody else has: `test_about_1a2b3c4d`."""
    words = re.sub("[^a-z0-9]+", "_", about.lower()).strip("_")[:30]
    return "_".join(part for part in ("test", words, uuid4().hex[:8]) if part)


def mysql_url(name: str = "") -> str:
    """The URL of an empty database of its own on the SQL server; drop it with `drop_mysql`.

    Args:
        name: of the database; one of its own by default.
    """
    import mysql.connector

    parts = urlsplit(_setting("ALLOCATOR_TEST_MYSQL_URL"))
    database = name or own_name()
    with (
        mysql.connector.connect(**mysql_login(parts)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"DROP DATABASE IF EXISTS `{database}`")
        cursor.execute(f"CREATE DATABASE `{database}` CHARACTER SET utf8mb4")
    return urlunsplit(("mysql", parts.netloc, f"/{database}", "", ""))


def with_port(url: str, port: int, options: str = "") -> str:
    """The same database, as it is reached through a proxy."""
    parts = urlsplit(url)
    netloc = f"{parts.username}:{parts.password}@127.0.0.1:{port}"
    return urlunsplit((parts.scheme, netloc, parts.path, options, ""))


def drop_mysql(url: str) -> None:
    """Removes a database that `mysql_url` made."""
    import mysql.connector

    parts = urlsplit(_setting("ALLOCATOR_TEST_MYSQL_URL"))
    database = urlsplit(url).path.strip("/")
    with (
        mysql.connector.connect(**mysql_login(parts)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"DROP DATABASE IF EXISTS `{database}`")


def mysql_login(parts: object) -> dict[str, object]:
    """What the driver needs to connect to the server of a split URL, without its database."""
    return {
        "host": parts.hostname,  # type: ignore[attr-defined]
        "port": parts.port or 3306,  # type: ignore[attr-defined]
        "user": parts.username,  # type: ignore[attr-defined]
        "password": parts.password or "",  # type: ignore[attr-defined]
        # The collation that the driver asks for by default is one that MariaDB does not know.
        "charset": "utf8mb4",
        "collation": "utf8mb4_general_ci",
        "ssl_disabled": True,
    }


def mongodb_url(name: str = "") -> str:
    """The URL of a database of its own on the server of documents; drop it with `drop_mongodb`."""
    parts = urlsplit(_setting("ALLOCATOR_TEST_MONGODB_URL"))
    return urlunsplit((parts.scheme, parts.netloc, f"/{name or own_name()}", "", ""))


def drop_mongodb(url: str) -> None:
    """Removes a database on the server of documents."""
    import pymongo

    with pymongo.MongoClient(url, serverSelectionTimeoutMS=5000) as client:
        client.drop_database(urlsplit(url).path.strip("/"))


def cassandra_keyspace(name: str = "") -> str:
    """The URL of a keyspace of its own on the Cassandra server, which a migration makes.

    Drop it with `drop_cassandra`.
    """
    parts = urlsplit(_setting("ALLOCATOR_TEST_CASSANDRA_URL"))
    return urlunsplit((parts.scheme, parts.netloc, f"/{name or own_name()}", "", ""))


def drop_cassandra(url: str) -> None:
    """Removes a keyspace on the Cassandra server."""
    with cassandra_session(url) as session:
        keyspace = urlsplit(url).path.strip("/")
        session.execute(f"DROP KEYSPACE IF EXISTS {keyspace}", timeout=60)


@contextmanager
def cassandra_session(url: str) -> Iterator[Any]:
    """A session of the driver on the Cassandra server, in no keyspace."""
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
    from cassandra.policies import WhiteListRoundRobinPolicy

    parts = urlsplit(url)
    host = parts.hostname or ""
    profile = ExecutionProfile(load_balancing_policy=WhiteListRoundRobinPolicy([host]))
    cluster = Cluster(
        [host], port=parts.port or 9042, execution_profiles={EXEC_PROFILE_DEFAULT: profile}
    )
    try:
        yield cluster.connect()
    finally:
        cluster.shutdown()


def redis_url(database: int = 0) -> str:
    """The URL of one of the 16 databases of the Redis server."""
    parts = urlsplit(_setting("ALLOCATOR_TEST_REDIS_URL"))
    return urlunsplit((parts.scheme, parts.netloc, f"/{database}", "", ""))


def swarm_manager() -> str:
    """The URL of the engine that manages a Docker Swarm, `unix:///…`."""
    return _setting("ALLOCATOR_TEST_SWARM")


def swarm_engines() -> dict[str, str]:
    """The URLs of the engines of the Swarm's other nodes, by the names of the nodes."""
    pairs = _setting("ALLOCATOR_TEST_SWARM_ENGINES").split()
    return dict(pair.split("=", 1) for pair in pairs)


def kafka_bootstrap() -> str:
    """host:port of the Kafka server; its URL for `open_bus` is `kafka://` and this."""
    return _setting("ALLOCATOR_TEST_KAFKA")
