"""Empty stores of servers for one installation, and the settings that name them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kafka_topics import remove
from servers import (
    cassandra_keyspace,
    drop_cassandra,
    drop_mongodb,
    drop_mysql,
    kafka_bootstrap,
    mongodb_url,
    mysql_url,
    own_name,
)


@contextmanager
def mesh_stores() -> Iterator[dict[str, str]]:
    """Settings of databases and topics of one's own; all are removed afterwards."""
    sql = {name: mysql_url() for name in ("USER", "ALLOCATION", "NOTIFIER")}
    documents = {name: mongodb_url() for name in ("MACHINES", "BROKER")}
    wide_rows = {"FEED": cassandra_keyspace()}
    prefix = own_name("bus")
    urls = sql | documents | wide_rows
    try:
        yield {
            **{f"ALLOCATOR_{name}_DATABASE_URL": url for name, url in urls.items()},
            "ALLOCATOR_BUS_URL": f"kafka://{kafka_bootstrap()}/{prefix}",
            "ALLOCATOR_BUS_PARTITIONS": "3",
        }
    finally:
        for url in sql.values():
            drop_mysql(url)
        for url in documents.values():
            drop_mongodb(url)
        for url in wide_rows.values():
            drop_cassandra(url)
        remove(kafka_bootstrap(), prefix)
