"""Finding out which allocations are in use, for those that are stopped when they are not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from allocation_svc.domain.allocation import Allocation, State
from allocation_svc.domain.step import Use
from allocation_svc.ports.activity import Activity
from allocation_svc.ports.step_observer import StepObserver
from allocation_svc.usecases.agenda import until
from chassis.clock import Clock
from chassis.faults import Fault

_AT_ONCE = 500
_SOONEST_SECONDS = 1.0
_NEWS_SECONDS = 5.0


@dataclass(slots=True)
class _Watched:
    """One that is stopped when it is not in use; moments are on the monotonic clock.

    Attributes:
        timeout: after how many seconds without use.
        planned: whether a stop for lack of use is planned.
        used: when it was last in use; None where that is not known yet.
        asked: when that was found out.
    """

    timeout: float
    planned: bool = False
    used: float | None = None
    asked: float = 0.0


class Idleness:
    """Asks again and again when allocations were last in use, and has those decided on that it matters to.

    What is known is kept on the monotonic clock and nowhere else: after a start of this process it is
    asked for anew. So neither a clock that is set nor a process that was away stops anything.
    """

    def __init__(
        self,
        activity: Activity,
        clock: Clock,
        observer: StepObserver,
        *,
        seconds: float = 30.0,
    ) -> None:
        """Asks at this interval, or sooner where one is about to be stopped.

        Args:
            activity: tells when instances were last in use.
            clock: the time.
            observer: is told what fails.
            seconds: how often.
        """
        self._activity = activity
        self._clock = clock
        self._observer = observer
        self._seconds = seconds
        self._watched: dict[str, _Watched] = {}
        self._more = asyncio.Event()

    def noticed(self, allocation: Allocation) -> None:
        """An allocation is so: begins to watch it, or ends to."""
        timeout = allocation.terms.idle_seconds
        if not timeout or allocation.state is not State.READY:
            self._watched.pop(allocation.name, None)
            return
        watched = self._watched.get(allocation.name)
        if watched is None:
            watched = self._watched[allocation.name] = _Watched(timeout)
            self._more.set()
        planned = allocation.planned
        watched.timeout = timeout
        watched.planned = planned is not None and planned.reason.reason == "IDLE"

    def forget(self, name: str) -> None:
        """An allocation is history."""
        self._watched.pop(name, None)

    def use(self, name: str) -> Use | None:
        """What is known of the use of an allocation; None where nothing is."""
        watched = self._watched.get(name)
        if watched is None or watched.used is None:
            return None
        now, present = self._clock.monotonic(), self._clock.now()
        return Use(
            last_time=present - timedelta(seconds=now - watched.used),
            asked_time=present - timedelta(seconds=now - watched.asked),
        )

    async def run(self, kick: Callable[[str], None]) -> None:
        """Asks until it is cancelled.

        Args:
            kick: has an allocation decided on.
        """
        while True:
            self._more.clear()
            names = list(self._watched)
            for first in range(0, len(names), _AT_ONCE):
                await self._ask(names[first : first + _AT_ONCE], kick)
            if not self._watched:
                await self._more.wait()
            await until(self._clock, self._more, self._pause())
            # Those that come together are asked for together.
            await self._clock.sleep(min(_SOONEST_SECONDS, self._seconds))

    async def _ask(self, names: list[str], kick: Callable[[str], None]) -> None:
        began = self._clock.monotonic()
        try:
            idle = await self._activity.idle_seconds(names)
        except Fault as fault:
            self._observer.failed("activity", fault)
            return
        for name, seconds in idle.items():
            watched = self._watched.get(name)
            if watched is None:
                continue
            former, watched.used, watched.asked = watched.used, began - seconds, began
            # What is used for the first time, or again; or is due.
            is_news = former is None or watched.used > former + _NEWS_SECONDS
            if former is None or (is_news and watched.planned) or seconds >= watched.timeout:
                kick(name)

    def _pause(self) -> float:
        """Seconds until the next question: when the next one may be stopped, if that is sooner."""
        now = self._clock.monotonic()
        ends = [
            watched.used + watched.timeout - now
            for watched in self._watched.values()
            if watched.used is not None and now - watched.used < watched.timeout
        ]
        return min([self._seconds, *(max(end, 0.0) for end in ends)])
