"""Goes on to look at instances that are ready, as long as they are."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass

from chassis.clock import Clock
from docker_svc.domain import Liveness, Probe, Standing
from docker_svc.usecases.probing import Probing
from docker_svc.usecases.tracked import Tracked

_SPREAD = 0.1


@dataclass(slots=True)
class _Round:
    """One run of an instance that is looked at again and again."""

    tracked: Tracked
    run: str
    probe: Probe
    liveness: Liveness
    failures: int = 0

    @property
    def goes_on(self) -> bool:
        tracked = self.tracked
        standing = tracked.standing
        return (
            tracked.moving is None
            and tracked.record.ready
            and tracked.record.run == self.run
            and standing is not None
            and standing.running
        )


class Rounds:
    """Looks at every ready instance once a period: one loop, a bounded number of looks at a time.

    Looks at one instance never overlap; those at many are spread over the period.
    """

    def __init__(
        self,
        probing: Probing,
        clock: Clock,
        turned: Callable[[Tracked, bool], None],
        report: Callable[[str, BaseException], None],
        at_once: int,
    ) -> None:
        """Begins with none.

        Args:
            probing: looks.
            clock: the time.
            turned: told when an instance does not answer any more, or answers again.
            report: told of what kept a look from being made, with the name of the allocation.
            at_once: how many looks there may be at a time.
        """
        self._probing = probing
        self._clock = clock
        self._turned = turned
        self._report = report
        self._places = asyncio.Semaphore(at_once)
        self._rounds: dict[str, _Round] = {}
        self._heap: list[tuple[float, int, _Round]] = []
        self._numbers = itertools.count()
        self._sooner = asyncio.Event()
        self._looking: set[asyncio.Task[None]] = set()

    def attend(self, tracked: Tracked) -> None:
        """Looks at an instance from now on, which is ready; what was attended before of it is not."""
        spec = tracked.record.spec
        liveness = spec.probe.liveness if spec is not None else None
        if spec is None or liveness is None or spec.probe.check is None:
            return
        one = _Round(tracked, tracked.record.run, spec.probe, liveness)
        self._rounds[tracked.record.key.allocation] = one
        # A thousand that are attended at once, as after a start, are not looked at at once.
        self._later(one, liveness.period * random.uniform(0.5, 1))  # noqa: S311 - no secret

    async def run(self) -> None:
        """Looks, until it is cancelled."""
        try:
            while True:
                self._sooner.clear()
                while self._heap and self._heap[0][0] <= self._clock.monotonic():
                    one = heapq.heappop(self._heap)[2]
                    if not self._is_current(one):
                        continue
                    await self._places.acquire()
                    task = asyncio.create_task(self._look(one), name="docker_svc.rounds")
                    self._looking.add(task)
                    task.add_done_callback(self._looked)
                await self._until_due()
        finally:
            for task in self._looking:
                task.cancel()
            if self._looking:
                await asyncio.wait(self._looking)

    async def _look(self, one: _Round) -> None:
        tracked, standing = one.tracked, one.tracked.standing
        if standing is None or standing.paused or standing.away:
            # Whoever is paused or away is told of as such, and could not answer.
            one.failures = 0
        else:
            answers = await self._answers(one, standing)
            if not self._is_current(one):
                return
            if answers is not None:
                one.failures = 0 if answers else one.failures + 1
            if answers and tracked.record.unanswered:
                self._turned(tracked, True)  # noqa: FBT003 - whether it answers
            elif one.failures >= one.liveness.failures and not tracked.record.unanswered:
                self._turned(tracked, False)  # noqa: FBT003
        spread = random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311 - no secret
        self._later(one, one.liveness.period * spread)

    async def _answers(self, one: _Round, standing: Standing) -> bool | None:
        """Whether it answers; None where it could not be looked at, which is no fault of its own."""
        record = one.tracked.record
        try:
            return await self._probing.answers(
                one.probe, standing, record.incarnation, one.liveness.period
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, looking goes on
            self._report(record.key.allocation, error)
            return None

    def _is_current(self, one: _Round) -> bool:
        name = one.tracked.record.key.allocation
        if self._rounds.get(name) is not one:
            return False
        if one.goes_on:
            return True
        del self._rounds[name]
        return False

    def _looked(self, task: asyncio.Task[None]) -> None:
        self._looking.discard(task)
        self._places.release()

    def _later(self, one: _Round, seconds: float) -> None:
        due = self._clock.monotonic() + seconds
        heapq.heappush(self._heap, (due, next(self._numbers), one))
        if self._heap[0][2] is one:
            self._sooner.set()

    async def _until_due(self) -> None:
        waits: list[asyncio.Future[object]] = [asyncio.ensure_future(self._sooner.wait())]
        if self._heap:
            seconds = self._heap[0][0] - self._clock.monotonic()
            waits.append(asyncio.ensure_future(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
