"""Failures counted in the memory of this process."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from chassis.clock import Clock
from user_svc.ports import Delays

_FORGOTTEN_AFTER = 10
_MOST_DOUBLINGS = 40


@dataclass(slots=True)
class _Failures:
    """How many there were, and when the last one was."""

    count: int
    at: float


class MemoryFailureDelays:
    """FailureDelays for one process; each replica counts for itself.

    Args:
        clock: the time.
        most: how many keys are remembered; the one that failed longest ago is forgotten.
    """

    def __init__(self, clock: Clock, most: int = 50_000) -> None:
        self._clock = clock
        self._most = most
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def attempt(self, key: str, delays: Delays) -> float:
        """Begins an attempt: 0 if it may go on, else the seconds to wait."""
        now = self._clock.monotonic()
        known = self._failures.get(key)
        if known is not None and now - known.at > _FORGOTTEN_AFTER * delays.longest_seconds:
            known.count = 0
        if known is None:
            known = self._failures[key] = _Failures(0, now)
            if len(self._failures) > self._most:
                self._failures.popitem(last=False)
        beyond = known.count - delays.free
        if beyond >= 0:
            pause = delays.first_seconds * 2.0 ** min(beyond, _MOST_DOUBLINGS)
            left = known.at + min(pause, delays.longest_seconds) - now
            if left > 0:
                return left
        known.count, known.at = known.count + 1, now
        self._failures.move_to_end(key)
        return 0.0

    def forgive(self, key: str) -> None:
        """Takes one attempt back."""
        known = self._failures.get(key)
        if known is not None:
            known.count = max(0, known.count - 1)

    def forget(self, key: str) -> None:
        """Forgets every failure of a key."""
        self._failures.pop(key, None)
