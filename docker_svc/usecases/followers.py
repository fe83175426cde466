"""Who follows logs, and who did last."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from chassis.clock import Clock

_MOST_REMEMBERED = 20_000


class Followers:
    """Counts who follows the log of each allocation; moments are on the monotonic clock."""

    def __init__(self, clock: Clock) -> None:
        """Begins with nobody."""
        self._clock = clock
        self._present: Counter[str] = Counter()
        self._last: OrderedDict[str, float] = OrderedDict()

    @contextmanager
    def following(self, allocation: str) -> Iterator[None]:
        """Counts somebody for as long as this lasts."""
        self._present[allocation] += 1
        try:
            yield
        finally:
            self._present[allocation] -= 1
            if not self._present[allocation]:
                del self._present[allocation]
            self._last[allocation] = self._clock.monotonic()
            self._last.move_to_end(allocation)
            if len(self._last) > _MOST_REMEMBERED:
                self._last.popitem(last=False)

    def last(self, allocation: str) -> float | None:
        """When somebody last followed a log: now, where somebody does; None where nobody is known to have."""
        if self._present.get(allocation):
            return self._clock.monotonic()
        return self._last.get(allocation)
