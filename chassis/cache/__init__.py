"""Answers that are given again while what they are about has not changed."""

from chassis.cache.memory import MemoryCache
from chassis.cache.opening import OpenCache, open_cache
from chassis.cache.port import LARGEST_BYTES, Cache, Found

__all__ = ["LARGEST_BYTES", "Cache", "Found", "MemoryCache", "OpenCache", "open_cache"]
