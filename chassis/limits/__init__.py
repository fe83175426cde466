"""How often something may be done: buckets of tokens, and delays that grow with failures."""

from chassis.limits.memory import MemoryFailureDelays, MemoryRateLimiter
from chassis.limits.opening import Limits, open_limits
from chassis.limits.port import Delays, FailureDelays, RateLimiter

__all__ = [
    "Delays",
    "FailureDelays",
    "Limits",
    "MemoryFailureDelays",
    "MemoryRateLimiter",
    "RateLimiter",
    "open_limits",
]
