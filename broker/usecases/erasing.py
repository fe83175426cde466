"""Forgetting people who have gone, and what is older than it is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from broker.domain.entry import Ended, Entry, Kind
from broker.domain.event import Leaver
from broker.ports import DirectoryStore, Notices, TimelineStore, Topics
from chassis.clock import Clock
from chassis.faults import Fault

_AT_ONCE = 500
_SWEEP_SECONDS = 3600.0
_RETRY_SECONDS = 60.0
_AGAIN = timedelta(days=1)


class Erasing:
    """Takes people who have gone out of what is known and out of the topics."""

    def __init__(
        self,
        directory: DirectoryStore,
        topics: Topics,
        anonymous: Callable[[Entry], Entry | None],
    ) -> None:
        """Works on the directory and the topics; the timeline sees to itself.

        Args:
            directory: what is known.
            topics: what is still on the bus.
            anonymous: an allocation that is gone, without its owner; None where it is not gone: until
                then it is known whose it is.
        """
        self._directory = directory
        self._topics = topics
        self._anonymous = anonymous

    async def erase(self, leaver: Leaver) -> None:
        """Erases a person; doing it again does no harm.

        Raises:
            Unavailable: a store or the bus does not answer; do it again.
        """
        await self._directory.end(Ended(Kind.USER, leaver.person, leaver.time))
        after = ""
        while True:
            page = await self._directory.allocations(leaver.person, "", after, _AT_ONCE)
            for entry in page:
                after = entry.name
                if other := self._anonymous(entry):
                    await self._directory.rewrite(entry, other)
            if len(page) < _AT_ONCE:
                break
        await self._topics.erase(leaver.person, leaver.fact)


class Sweeping:
    """Removes what is older than it is kept; one replica at a time does."""

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        timeline: TimelineStore,
        notices: Notices,
        erasing: Erasing,
        clock: Clock,
        events_kept: timedelta,
        acts_kept: timedelta,
        told: Callable[[int | Fault], object],
    ) -> None:
        """Sweeps a store.

        Args:
            timeline: what has happened.
            notices: what was told of.
            erasing: is done once more for who has gone of late, and was learnt of by another replica at
                that very moment.
            clock: the time.
            events_kept: how long events are kept.
            acts_kept: how long acts are kept.
            told: is told how much was removed, or why nothing could be.
        """
        self._timeline = timeline
        self._notices = notices
        self._erasing = erasing
        self._clock = clock
        self._events_kept = events_kept
        self._acts_kept = acts_kept
        self._told = told

    async def run(self) -> None:
        """Sweeps each hour, until it is cancelled."""
        while True:
            try:
                self._told(await self.sweep())
            except Fault as fault:
                self._told(fault)
                await self._clock.sleep(_RETRY_SECONDS)
            else:
                await self._clock.sleep(_SWEEP_SECONDS)

    async def sweep(self) -> int:
        """Removes what is older than it is kept; says how much.

        Raises:
            Unavailable: a store or the bus does not answer.
        """
        now = self._clock.now()
        swept = await self._timeline.sweep(now - self._events_kept, now - self._acts_kept)
        await self._notices.sweep(now - self._acts_kept)
        for leaver in await self._timeline.leavers(now - _AGAIN):
            await self._erasing.erase(leaver)
        return swept
