"""Where Kafka is, and how each kind of client is set up for it."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

DELIVERY_SECONDS = 10.0
"""How long a record may take until it is acknowledged."""

LARGEST_MESSAGE = 2 * 2**20
"""The largest message, in bytes: a record as large as `Record` allows, with all its headers."""

_PREFIX = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*", re.ASCII)
_LONGEST_PREFIX = 100

# What this package depends on being as it sets it, and what would load foreign code.
_OURS = frozenset({
    "acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "plugin.library.paths",
    "transactional.id",
})  # fmt: skip
_OF_PRODUCERS = (
    "batch.", "compression.", "delivery.timeout.ms", "linger.ms", "message.timeout.ms",
    "partitioner", "queue.buffering.", "request.timeout.ms", "retries", "sticky.",
)  # fmt: skip
_OF_CONSUMERS = (
    "auto.commit.interval.ms", "check.crcs", "fetch.", "group.", "heartbeat.interval.ms",
    "isolation.level", "max.partition.fetch.bytes", "max.poll.interval.ms",
    "partition.assignment.strategy", "queued.", "session.timeout.ms",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Address:
    """Where Kafka is.

    Attributes:
        servers: `host:port`, joined by commas.
        prefix: what the names of all topics and groups begin with on the cluster; empty for nothing.
        settings: of librdkafka, by its names. They may hold passwords, so they are never shown.
    """

    servers: str
    prefix: str = ""
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)

    def name(self, topic_or_group: str) -> str:
        """What a topic or group of ours is called on the cluster."""
        return f"{self.prefix}.{topic_or_group}" if self.prefix else topic_or_group

    def own(self, name: str) -> str:
        """What we call a topic or group of the cluster."""
        return name.removeprefix(f"{self.prefix}.") if self.prefix else name

    def for_admin(self) -> dict[str, Any]:
        """The configuration of a client that makes topics."""
        return self._common() | self._without(_OF_PRODUCERS + _OF_CONSUMERS)

    def for_producer(self) -> dict[str, Any]:
        """The configuration of a client that publishes."""
        ours = {
            # Each record once and in order within its partition, however often it is sent again.
            "enable.idempotence": True,
            "acks": "all",
            "message.timeout.ms": int(DELIVERY_SECONDS * 1000),
            "message.max.bytes": LARGEST_MESSAGE,
            "queue.buffering.max.messages": 50_000,
            "queue.buffering.max.kbytes": 65_536,
            # Facts come in batches anyway; a single one shall not wait for others.
            "linger.ms": 1,
            # As clients in other languages choose the partition of a key.
            "partitioner": "murmur2_random",
            # A topic that was made a moment ago is known within this time.
            "topic.metadata.propagation.max.ms": 5000,
        }
        return self._common() | ours | self._without(_OF_CONSUMERS)

    def for_reader(self, group: str) -> dict[str, Any]:
        """The configuration of a client that reads partitions of its own choice and remembers nothing.

        Args:
            group: for the logs of the cluster; it is never joined.
        """
        return self._consumer(group) | {"enable.auto.commit": False} | self._without(_OF_PRODUCERS)

    def for_group(self, group: str) -> dict[str, Any]:
        """The configuration of a member of a group."""
        protocol: dict[str, Any] = {"group.protocol": "consumer"}
        if self.settings.get("group.protocol") == "classic":
            protocol = {
                "group.protocol": "classic",
                "partition.assignment.strategy": "cooperative-sticky",
            }
        ours = {
            # What was stored after its effect is committed each second, and when partitions go.
            "enable.auto.commit": True,
            "enable.auto.offset.store": False,
            "auto.commit.interval.ms": 1000,
        }
        return self._consumer(group) | protocol | ours | self._without(_OF_PRODUCERS)

    def _common(self) -> dict[str, Any]:
        return {
            "bootstrap.servers": self.servers,
            "client.id": "allocator",
            "logger": logging.getLogger("chassis.bus.kafka"),
            "log.connection.close": False,
            "socket.keepalive.enable": True,
            "reconnect.backoff.max.ms": 2000,
            # New partitions, and topics that did not exist, are found within this time.
            "topic.metadata.refresh.interval.ms": 10_000,
        }

    def _consumer(self, group: str) -> dict[str, Any]:
        return self._common() | {
            "group.id": self.name(group),
            "auto.offset.reset": "earliest",
            "allow.auto.create.topics": False,
            # What is fetched and not yet asked for is bounded, and fetched again without a pause.
            "queued.min.messages": 2000,
            "queued.max.messages.kbytes": 16_384,
            "fetch.queue.backoff.ms": 20,
        }

    def _without(self, names: tuple[str, ...]) -> dict[str, str]:
        return {name: value for name, value in self.settings.items() if not name.startswith(names)}


def parse_address(url: str) -> Address:
    """Reads a URL: `kafka://host:port,host:port/prefix?security.protocol=SASL_SSL&sasl.username=…`.

    Args:
        url: the query carries settings of librdkafka, by its names.

    Raises:
        ValueError: it is none of these; the message never holds the query.
    """
    parts = urlsplit(url)
    if parts.scheme != "kafka" or not parts.netloc or parts.fragment:
        raise ValueError("the URL of Kafka is kafka://host:port,host:port/prefix?setting=value")
    if "@" in parts.netloc:
        raise ValueError(
            "the URL of Kafka has no user before the host; use ?sasl.username=…&sasl.password=…"
        )
    prefix = parts.path.strip("/")
    if prefix and not (_PREFIX.fullmatch(prefix) and len(prefix) <= _LONGEST_PREFIX):
        raise ValueError("the prefix in the URL of Kafka is lower-case words joined by dots")
    settings = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in settings.keys() & _OURS:
        raise ValueError(f"{name} cannot be set in the URL of Kafka")
    return Address(parts.netloc, prefix, settings)
