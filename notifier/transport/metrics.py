"""Metrics of notifier."""

from __future__ import annotations

from prometheus_client import Counter

from notifier.domain.delivery import Channel

OUTCOMES = ("sent", "postponed", "failed", "outlived", "unsettled")
"""What becomes of an attempt: it was sent; it is tried again later; it was refused or tried too often; it
was too late; or the store was away, so that it is not known."""

_ATTEMPTS = Counter(
    "allocator_deliveries_attempts_total",
    "Attempts to send a message, by channel and by what became of them.",
    ["channel", "outcome"],
)
_COUNTS = {
    (channel, outcome): _ATTEMPTS.labels(channel.value.lower(), outcome)
    for channel in Channel
    for outcome in OUTCOMES
}


def count_attempt(channel: Channel, outcome: str) -> None:
    """Counts what became of an attempt; `outcome` is one of `OUTCOMES`."""
    _COUNTS[channel, outcome].inc()
