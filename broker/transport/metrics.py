"""Metrics of the broker."""

from __future__ import annotations

from prometheus_client import Gauge

DEAD_LETTERS_WAITING = Gauge(
    "allocator_dead_letters_waiting",
    "Dead letters that nobody has replayed or discarded yet; counted by the replica that leads.",
)
"""Set by the replica that leads; 0 in the others."""
