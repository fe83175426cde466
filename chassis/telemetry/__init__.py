"""Logs and metrics.

Logs are JSON lines with constant messages and named values; no secret, token or password is ever
among them. Metrics are Prometheus's, named `allocator_<noun>_<what>_<unit|total>`.
"""

from chassis.telemetry.logs import configure_logs, log, log_often
from chassis.telemetry.metrics import (
    CALL_SECONDS,
    CERTIFICATE_ENDS,
    REPLICA_LEADS,
    TASKS_RUNNING,
    observe_call,
    render_metrics,
)
from chassis.telemetry.traces import child_of, new_trace, trace_id

__all__ = [
    "CALL_SECONDS",
    "CERTIFICATE_ENDS",
    "REPLICA_LEADS",
    "TASKS_RUNNING",
    "child_of",
    "configure_logs",
    "log",
    "log_often",
    "new_trace",
    "observe_call",
    "render_metrics",
    "trace_id",
]
