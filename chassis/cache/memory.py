"""Values in the memory of this process."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from dataclasses import dataclass

from chassis.cache.port import LARGEST_BYTES, Found
from chassis.clock import Clock

MOST_BYTES = 16 * 1024 * 1024
"""How many bytes of values a process keeps by default."""

_MOST_SUBJECTS = 1000
_OVERHEAD_BYTES = 300


@dataclass(frozen=True, slots=True)
class _Kept:
    """A value, with the version of what it is about, and since when and until when."""

    version: int
    value: bytes
    since: float
    until: float
    size: int


class MemoryCache:
    """A Cache for one process.

    Args:
        clock: the time.
        most_bytes: how much is kept, with what it takes to keep it; the value that was asked for
            longest ago is forgotten.
    """

    def __init__(self, clock: Clock, most_bytes: int = MOST_BYTES) -> None:
        self._clock = clock
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        # One count for all, so that a version that is made anew was never anybody's before.
        self._count = itertools.count(1)
        self._versions: OrderedDict[str, int] = OrderedDict()

    async def get(self, about: str, key: str) -> Found:
        """What is kept under a key."""
        version = self._version(about)
        kept = self._kept.get((about, key))
        if kept is None:
            return Found(version)
        now = self._clock.monotonic()
        if kept.version != version or now >= kept.until:
            self._drop((about, key))
            return Found(version)
        self._kept.move_to_end((about, key))
        return Found(version, kept.value, now - kept.since)

    async def put(self, about: str, key: str, value: bytes, version: int, seconds: float) -> None:
        """Keeps a value, unless what it is about has another version by now."""
        if len(value) > LARGEST_BYTES or self._version(about) != version:
            return
        self._drop((about, key))
        now = self._clock.monotonic()
        size = len(value) + len(about) + len(key) + _OVERHEAD_BYTES
        self._kept[about, key] = _Kept(version, value, now, now + seconds, size)
        self._bytes += size
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._kept)))

    async def invalidate(self, about: str) -> None:
        """Says that it has changed."""
        self._versions[about] = next(self._count)

    def _version(self, about: str) -> int:
        version = self._versions.get(about)
        if version is None:
            version = self._versions[about] = next(self._count)
            if len(self._versions) > _MOST_SUBJECTS:
                self._versions.popitem(last=False)
        return version

    def _drop(self, at: tuple[str, str]) -> None:
        kept = self._kept.pop(at, None)
        if kept is not None:
            self._bytes -= kept.size
