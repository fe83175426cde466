"""Whether the clock was set while we looked away."""

from __future__ import annotations

from datetime import timedelta

from allocation_svc.domain.clock_steps import ClockStep
from chassis.clock import Clock

_LEAST = timedelta(seconds=2)
_KEPT = 8


class ClockWatch:
    """Compares the time with how long it has been; remembers when the clock was set forward.

    A host that sleeps is the same: its monotonic clock stands still meanwhile. Steps below two seconds
    are those of a clock that is kept right, and are not looked at.
    """

    def __init__(self, clock: Clock) -> None:
        """Begins now."""
        self._clock = clock
        self._base = clock.now() - timedelta(seconds=clock.monotonic())
        self._steps: tuple[ClockStep, ...] = ()

    @property
    def steps(self) -> tuple[ClockStep, ...]:
        """How the clock was set forward since this process began; the latest few, oldest first."""
        now = self._clock.now()
        base = now - timedelta(seconds=self._clock.monotonic())
        by = base - self._base
        if abs(by) >= _LEAST:
            self._base = base
            if by > timedelta(0):
                self._steps = (*self._steps, ClockStep(now, by))[-_KEPT:]
        return self._steps
