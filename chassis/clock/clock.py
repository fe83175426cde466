"""The clock as a port, and the one of the system."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Protocol

from chassis.clock.instants import instant_of


class Clock(Protocol):
    """Tells the time, and waits."""

    def now(self) -> datetime:
        """The present: aware, UTC, whole milliseconds. It may go back when the system's time is set."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back. For measuring spans and for deadlines."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits. Zero or less lets others run once.

        Args:
            seconds: how long.
        """
        ...


class SystemClock:
    """The clock of the system."""

    def now(self) -> datetime:
        """The present: aware, UTC, whole milliseconds."""
        return instant_of(time.time_ns() // 1_000_000)

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Waits that many seconds."""
        await asyncio.sleep(max(0.0, seconds))
