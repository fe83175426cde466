"""The bus: what one service tells all others once it is committed.

A service appends its records to its outbox in the transaction that makes them true
(`chassis.bus.outbox`); a relay publishes them; whoever needs them consumes them as a group of its own.
"""

from chassis.bus.opening import ensure_topics, open_bus
from chassis.bus.port import (
    MAX_KEY,
    MAX_VALUE,
    Bus,
    DeadLetter,
    Effect,
    EffectOfMany,
    Record,
    facts_topic,
    is_compacted,
    state_topic,
)

__all__ = [
    "MAX_KEY",
    "MAX_VALUE",
    "Bus",
    "DeadLetter",
    "Effect",
    "EffectOfMany",
    "Record",
    "ensure_topics",
    "facts_topic",
    "is_compacted",
    "open_bus",
    "state_topic",
]
