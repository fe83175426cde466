"""Time: the clock that everything asks, so that tests can hold it in their hand.

All instants here are aware, in UTC, and whole milliseconds, because that is what every store keeps.
"""

from chassis.clock.clock import Clock, SystemClock
from chassis.clock.instants import instant_of, millis_of, rfc3339, truncated
from chassis.clock.manual import ManualClock

__all__ = [
    "Clock",
    "ManualClock",
    "SystemClock",
    "instant_of",
    "millis_of",
    "rfc3339",
    "truncated",
]
