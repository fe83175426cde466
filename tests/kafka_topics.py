"""Topics of one's own on the Kafka server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from servers import kafka_bootstrap, own_name

from chassis.bus import ensure_topics

PATIENCE = 20.0


@asynccontextmanager
async def own_kafka(
    *nouns: str, partitions: int = 3, query: str = "", servers: str = ""
) -> AsyncIterator[str]:
    """The URL of a bus with topics of its own for these nouns; they are removed afterwards.

    Args:
        nouns: the plurals of the resources.
        partitions: of each topic.
        query: of the URL.
        servers: of another Kafka than that of all tests.
    """
    prefix = own_name("bus")
    where = f"kafka://{servers or kafka_bootstrap()}/{prefix}"
    if nouns:
        await ensure_topics(where, nouns, partitions=partitions)
    try:
        yield f"{where}?{query}" if query else where
    finally:
        await asyncio.to_thread(remove, servers or kafka_bootstrap(), prefix)


def admin(servers: str = "") -> object:
    """A client that makes and removes topics."""
    import logging

    from confluent_kafka.admin import AdminClient

    return AdminClient(
        {"bootstrap.servers": servers or kafka_bootstrap(), "logger": logging.getLogger("tests")}
    )


def remove(servers: str, prefix: str) -> None:
    """Removes the topics whose names begin with a prefix."""
    client = admin(servers)
    names: Sequence[str] = [
        name
        for name in client.list_topics(timeout=PATIENCE).topics
        if name.startswith(f"{prefix}.")
    ]
    if names:
        for future in client.delete_topics(names, operation_timeout=PATIENCE).values():
            future.result(PATIENCE)
