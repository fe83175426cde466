"""A cache that never fails, and what it then falls back on."""

from __future__ import annotations

from chassis.cache.port import Cache, Found
from chassis.faults import Unavailable


class FallbackCache:
    """A Cache that never fails: while the shared one is away, this process keeps values by itself.

    A change that the shared one could not be told of is told to it by whoever hears of it next; until
    then a value may be given for as long as it was put for.

    Args:
        shared: keeps values for all replicas.
        own: keeps values for this process.
    """

    def __init__(self, shared: Cache, own: Cache) -> None:
        self._shared = shared
        self._own = own

    async def get(self, about: str, key: str) -> Found:
        """What is kept under a key."""
        try:
            return await self._shared.get(about, key)
        except Unavailable:
            return await self._own.get(about, key)

    async def put(self, about: str, key: str, value: bytes, version: int, seconds: float) -> None:
        """Keeps a value, unless what it is about has another version by now."""
        try:
            await self._shared.put(about, key, value, version, seconds)
        except Unavailable:
            # A version that the shared one gave is none of ours: nothing is kept then.
            await self._own.put(about, key, value, version, seconds)

    async def invalidate(self, about: str) -> None:
        """Says that it has changed, to both: which of them has values of before is not known."""
        await self._own.invalidate(about)
        try:
            await self._shared.invalidate(about)
        except Unavailable:
            return
