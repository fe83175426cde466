"""The use of instances by the samples of their runtime: for runtimes without a quicker way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from chassis.faults import Fault
from docker_svc.domain import InstanceKey, Standing
from docker_svc.domain.activity import Counters
from docker_svc.ports.container_runtime import ContainerRuntime

_SECONDS = 10.0
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class _Sum:
    """The processor time of one run, put together from its samples."""

    run: str
    cpu_seconds: float
    sampled: float


class SampledActivityMeter:
    """Takes one sample of each; between two, the processor counts as used as the later one says."""

    def __init__(self, runtime: ContainerRuntime) -> None:
        """Keeps the runtime; whoever has opened it closes it."""
        self._runtime = runtime
        self._sums: dict[InstanceKey, _Sum] = {}

    async def measure(self, standings: Sequence[Standing]) -> Mapping[InstanceKey, Counters]:
        """Asks for a sample of each, many at a time; one that comes too late is left out."""
        slots = asyncio.Semaphore(_AT_ONCE)
        found: dict[InstanceKey, Counters] = {}

        async def sample(standing: Standing) -> None:
            async with slots:
                counters = await self._sampled(standing)
            if counters is not None:
                found[standing.key] = counters

        await asyncio.gather(*(sample(one) for one in standings if one.running))
        return found

    async def close(self) -> None:
        """There is nothing to let go of."""

    async def _sampled(self, standing: Standing) -> Counters | None:
        try:
            async with (
                asyncio.timeout(_SECONDS),
                aclosing(self._runtime.stats(standing.key)) as usages,
            ):
                async for usage in usages:
                    now = time.monotonic()
                    former = self._sums.get(standing.key)
                    if former is None or former.run != standing.run:
                        former = _Sum(standing.run, 0.0, now)
                    used = usage.cpu_millis / 1000 * (now - former.sampled)
                    present = _Sum(standing.run, former.cpu_seconds + used, now)
                    self._sums[standing.key] = present
                    return Counters(present.cpu_seconds, usage.received_bytes + usage.sent_bytes)
        except (Fault, TimeoutError):
            # One node that does not answer must not hide the use of all others.
            return None
        return None
