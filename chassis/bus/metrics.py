"""Metrics of the bus."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from prometheus_client import Counter, Gauge

OUTBOX_WAITING = Gauge(
    "allocator_bus_outbox_waiting",
    "Records in outboxes of this process that wait to be published, as last seen: of each service's, "
    "those that it publishes at once.",
)
PUBLISHED = Counter("allocator_bus_published", "Records published by this process.")
_CONSUMED = Counter("allocator_bus_consumed", "Records consumed, by group.", ("group",))
_LAG = Gauge(
    "allocator_bus_lag_records",
    "Records that this process has still to consume, by group and topic.",
    ("group", "topic"),
)
_DEAD_LETTERS = Counter(
    "allocator_bus_dead_letters", "Records that became dead letters, by group.", ("group",)
)
_NUMBERED = re.compile(r"[0-9]+")


class GroupMetrics:
    """What a consumer counts; its labels are made when it starts.

    Args:
        group: whose. Numbers in it, as of groups that are made for one time, are left out of the
            label: there is no end to them.
        topics: what it consumes.
    """

    def __init__(self, group: str, topics: Sequence[str]) -> None:
        label = _NUMBERED.sub("n", group)
        self._consumed = _CONSUMED.labels(label)
        self._dead_letters = _DEAD_LETTERS.labels(label)
        self._lag = {topic: _LAG.labels(label, topic) for topic in topics}
        self._behind = dict.fromkeys(topics, 0)

    def consumed(self, count: int = 1) -> None:
        """Counts records that were consumed, or given up."""
        self._consumed.inc(count)

    def buried(self) -> None:
        """Counts a dead letter."""
        self._dead_letters.inc()

    def lags(self, behind: Mapping[str, int]) -> None:
        """Notes how far this consumer is behind, by topic, in records."""
        for topic, count in behind.items():
            # Several consumers of one process may share the labels.
            self._lag[topic].inc(count - self._behind[topic])
            self._behind[topic] = count

    def forget(self) -> None:
        """Notes that it consumes no more."""
        self.lags(dict.fromkeys(self._behind, 0))
