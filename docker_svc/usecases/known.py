"""The instances that are known, and what is asked of the runtime about them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from docker_svc.domain import EngineUnavailable, InstanceKey, Standing
from docker_svc.ports.container_runtime import ContainerRuntime
from docker_svc.ports.instance_records import InstanceRecord, InstanceRecords, Wanted
from docker_svc.usecases.life import Life, Work
from docker_svc.usecases.refusals import not_found, stale
from docker_svc.usecases.tracked import Tracked
from docker_svc.usecases.watching import Watching

_AWAY = "The container engine does not answer. Nothing is lost; try again when it is back."


class Known:
    """One instance for each allocation, with which one thing is done at a time.

    Attributes:
        tracked: by allocation, those that somebody has asked for.
        orphans: by allocation, what the runtime has and nobody has asked for.
        adopted: set once what a former process left is known.
    """

    def __init__(
        self,
        runtime: ContainerRuntime,
        records: InstanceRecords,
        life: Life,
        watching: Watching,
    ) -> None:
        """Knows nothing yet.

        Args:
            runtime: what runs instances.
            records: what was asked for.
            life: what is done with one instance.
            watching: who is told, and whether the engine answers.
        """
        self.tracked: dict[str, Tracked] = {}
        self.orphans: dict[str, Standing] = {}
        self.adopted = asyncio.Event()
        self._runtime = runtime
        self._records = records
        self._life = life
        self._watching = watching
        # Gone by themselves when nobody holds or awaits them.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    # ------------------------------------------------------------------ one of them

    @asynccontextmanager
    async def locked(self, allocation: str) -> AsyncIterator[Tracked | None]:
        """The instance of an allocation, with which nobody else begins anything meanwhile."""
        lock = self._locks.get(allocation)
        if lock is None:
            lock = self._locks[allocation] = asyncio.Lock()
        async with lock:
            yield self.tracked.get(allocation)

    @asynccontextmanager
    async def found(self, key: InstanceKey) -> AsyncIterator[Tracked]:
        """The same, where it is of that generation and shall not be removed.

        Raises:
            GenerationStale, InstanceNotFound, EngineUnavailable: there is no such one.
        """
        if not self.adopted.is_set():  # what a former process left is not known yet
            await self.available()
        async with self.locked(key.allocation) as tracked:
            record = await self.fenced(tracked, key)
            if record is None or record.key != key or tracked is None:
                raise not_found(key)
            if record.wanted in (Wanted.REMOVED, Wanted.GONE):
                raise stale(key)
            yield tracked

    async def fenced(self, tracked: Tracked | None, key: InstanceKey) -> InstanceRecord | None:
        """The record of an allocation's instance.

        Raises:
            GenerationStale: it is of a higher generation.
        """
        record = tracked.record if tracked else await self._records.get(key.allocation)
        if record is not None and record.key.generation > key.generation:
            raise stale(key)
        return record

    async def keep(self, tracked: Tracked) -> None:
        """Writes down what is asked for.

        Raises:
            GenerationStale: somebody else has written down a higher generation.
        """
        if not await self._records.put(tracked.record):
            raise stale(tracked.record.key)

    async def refreshed(self, tracked: Tracked) -> Standing | None:
        """Asks the runtime how an instance stands, and takes that unless something has happened since.

        Raises:
            EngineUnavailable: the engine does not answer.
        """
        resting = tracked.at_rest
        standing = await self._runtime.get(tracked.record.key)
        if resting is not None and resting == tracked.at_rest:
            await self._life.observe(tracked, standing)
        return standing

    def removal(self, tracked: Tracked) -> Work:
        """Removes an instance, and forgets it then."""

        async def work() -> None:
            await self._life.remove(tracked)
            if self.tracked.get(tracked.record.key.allocation) is tracked:
                del self.tracked[tracked.record.key.allocation]

        return work

    # ------------------------------------------------------------------ all of them

    async def available(self) -> None:
        """Returns where the engine answers.

        Raises:
            EngineUnavailable: it does not.
        """
        if not await self._watching.answers():
            raise EngineUnavailable(_AWAY, retry_after=1.0)

    def at_rest(self) -> dict[str, int]:
        """With which instances nothing is being done, before the runtime is asked of all."""
        return {
            allocation: resting
            for allocation, tracked in self.tracked.items()
            if (resting := tracked.at_rest) is not None
        }

    async def compare(self, standings: list[Standing], at_rest: dict[str, int]) -> None:
        """Takes what the runtime said of everything; lower generations and strangers stay apart.

        Args:
            standings: what it said.
            at_rest: from before it was asked. Of whatever something was done with since, or was told
                of by the runtime, the answer may be older than what is known.
        """
        by_key = {standing.key: standing for standing in standings}
        for allocation, tracked in list(self.tracked.items()):
            if tracked.at_rest is not None and tracked.at_rest == at_rest.get(allocation):
                await self._life.observe(tracked, by_key.get(tracked.record.key))
        self.orphans = {}
        for standing in sorted(standings, key=lambda s: s.key.generation):
            if standing.key.allocation not in self.tracked:
                self.orphans[standing.key.allocation] = standing
