"""Metrics that every process has."""

from __future__ import annotations

from prometheus_client import REGISTRY, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CALL_SECONDS = Histogram(
    "allocator_calls_duration_seconds",
    "How long calls took, by method, protocol and outcome.",
    ("method", "protocol", "outcome"),
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10),
)
TASKS_RUNNING = Gauge(
    "allocator_tasks_running", "Background tasks of services that run.", ("task",)
)
CERTIFICATE_ENDS = Gauge(
    "allocator_certificate_end_time_seconds",
    "When the certificate of this process ends, in seconds since 1970; 0 without one.",
)
REPLICA_LEADS = Gauge(
    "allocator_replica_leads",
    "1 where this replica does what only one replica of its service may do at a time.",
    ("service",),
)

_children: dict[tuple[str, str, str], Histogram] = {}


def observe_call(method: str, protocol: str, outcome: str, seconds: float) -> None:
    """Counts one call. Label values are bounded: methods of contracts, two protocols, kinds."""
    key = (method, protocol, outcome)
    child = _children.get(key)
    if child is None:
        child = _children[key] = CALL_SECONDS.labels(*key)
    child.observe(seconds)


def render_metrics() -> tuple[bytes, str]:
    """All metrics of the process in Prometheus's text form, and its media type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
