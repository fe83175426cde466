"""Opening the bus, and making its topics."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from chassis.bus.port import Bus
from chassis.clock import Clock

RETENTION = timedelta(days=30)
"""How long facts are kept by default."""


async def open_bus(url: str, clock: Clock, *, retention: timedelta = RETENTION) -> Bus:
    """Opens the bus.

    Args:
        url: `sqlite:///path/to/bus.sqlite3`, a log in a file, for the services of one process; or
            `kafka://host:port,host:port/prefix?security.protocol=SASL_SSL&…`, where the prefix is what
            the names of topics and groups begin with, and the query has settings of librdkafka.
        clock: for the times of records, their retention and the delays of retries.
        retention: how long a log in a file keeps facts; topics on Kafka have theirs from
            `ensure_topics`.

    Raises:
        ValueError: there is no adapter for the URL's scheme, or the URL is wrong.
        Unavailable: the disk is full. A server that is away is no fault here: it may come.
    """
    scheme = _scheme(url)
    if scheme == "kafka":
        from chassis.bus.kafka.log import open_kafka_log

        return await open_kafka_log(url, clock)
    from chassis.bus.sqlite_log import open_sqlite_log

    return await open_sqlite_log(url, clock, retention=retention)


async def ensure_topics(
    url: str,
    nouns: Sequence[str],
    *,
    partitions: int = 6,
    replication: int = 1,
    retention: timedelta = RETENTION,
) -> None:
    """Makes the topics of the bus, or brings them up to date; a log in a file needs none.

    For each noun the topic of its facts and that of its states, and the topic of dead letters. It can
    be repeated, also by several at once. Partitions of facts are raised and never lowered; a topic of
    states keeps those that it was made with, and an existing topic its copies.

    Args:
        url: as for `open_bus`.
        nouns: the plurals of the resources, `machines`.
        partitions: of each topic; as many consumers of a group can work at once.
        replication: how many copies of each topic there are.
        retention: how long facts are kept.

    Raises:
        ValueError: there is no adapter for the URL's scheme, or the URL is wrong.
        Invalid: the bus cannot have as many copies or partitions.
        Unavailable: the bus does not answer, or refuses this process.
    """
    if _scheme(url) == "kafka":
        from chassis.bus.kafka.topics import ensure_kafka_topics

        await ensure_kafka_topics(
            url, nouns, partitions=partitions, replication=replication, retention=retention
        )


def _scheme(url: str) -> str:
    scheme = url.partition(":")[0]
    if scheme not in {"sqlite", "kafka"}:
        raise ValueError(
            f"there is no bus for {scheme}: URLs; use sqlite:///path/to/bus.sqlite3 or "
            "kafka://host:port,host:port"
        )
    return scheme
