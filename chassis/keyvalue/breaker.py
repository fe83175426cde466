"""Leaving a server alone for a while after it has failed."""

from __future__ import annotations

from chassis.clock import Clock

PAUSE_SECONDS = 2.0
"""How long a server that has failed is left alone."""


class Breaker:
    """Keeps calls away from a server that does not answer, so that not each of them waits for it.

    After a failure it is open: it lets nothing through for a pause, then one call to try, then
    again nothing for a pause, until a call succeeds. It belongs to one event loop.

    Args:
        clock: for the pause.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._try_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether the last that is known of the server is that it failed."""
        return self._try_at is not None

    def admits(self) -> bool:
        """Whether a call may go to the server; whoever gets True makes it."""
        if self._try_at is None:
            return True
        now = self._clock.monotonic()
        if now < self._try_at:
            return False
        # The others wait for what becomes of this one.
        self._try_at = now + PAUSE_SECONDS
        return True

    def failed(self) -> bool:
        """Learns that a call has failed; returns whether that is news."""
        news = self._try_at is None
        self._try_at = self._clock.monotonic() + PAUSE_SECONDS
        return news

    def succeeded(self) -> bool:
        """Learns that a call has succeeded; returns whether that is news."""
        news = self._try_at is not None
        self._try_at = None
        return news
