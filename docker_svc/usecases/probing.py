"""Finding out when an instance is ready."""

from __future__ import annotations

import asyncio

from chassis.clock import Clock
from docker_svc.domain import (
    HttpCheck,
    LogCheck,
    Probe,
    Standing,
    TcpCheck,
)
from docker_svc.ports.container_runtime import ContainerRuntime
from docker_svc.ports.readiness import InstanceLogs, Readiness

_FIRST_PAUSE = 0.001
_BRISK_PAUSE = 0.05
_CALM_PAUSE = 0.25
_BRISK_SECONDS = 5.0


class Probing:
    """Looks until an instance is ready: quickly at first, since most are ready within moments."""

    def __init__(
        self,
        runtime: ContainerRuntime,
        readiness: Readiness,
        logs: InstanceLogs,
        clock: Clock,
    ) -> None:
        """Keeps what it looks with."""
        self._runtime = runtime
        self._readiness = readiness
        self._logs = logs
        self._clock = clock

    async def until_ready(self, probe: Probe, standing: Standing, incarnation: int) -> bool:
        """Waits until the probe of a running instance has answered.

        Returns:
            False where it has not within its timeout.
        """
        if probe.check is None:
            return True
        looking = asyncio.ensure_future(self._look(probe.check, standing, incarnation))
        limit = asyncio.ensure_future(self._clock.sleep(probe.timeout))
        try:
            await asyncio.wait({looking, limit}, return_when=asyncio.FIRST_COMPLETED)
            if not looking.done():
                return False
            looking.result()
            return True
        finally:
            for task in (looking, limit):
                task.cancel()
            await asyncio.wait({looking, limit})

    async def answers(
        self, probe: Probe, standing: Standing, incarnation: int, seconds: float
    ) -> bool:
        """Whether a ready instance still answers; with a log check, whether a line has matched again.

        Args:
            probe: how to look.
            standing: of the instance.
            incarnation: of its run.
            seconds: how long looking may take.
        """
        check = probe.check
        if check is None:
            return True
        try:
            async with asyncio.timeout(seconds):
                if isinstance(check, LogCheck):
                    key = standing.key
                    return await self._logs.matched_again(
                        key.allocation, key.generation, incarnation, check.pattern
                    )
                targets = self._runtime.targets(standing, check.port)
                return await self._readiness.answers(check, targets)
        except TimeoutError:
            return False

    async def _look(
        self, check: TcpCheck | HttpCheck | LogCheck, standing: Standing, incarnation: int
    ) -> None:
        if isinstance(check, LogCheck):
            key = standing.key
            await self._logs.matches(key.allocation, key.generation, incarnation, check.pattern)
            return
        targets = self._runtime.targets(standing, check.port)
        began = self._clock.monotonic()
        pause = _FIRST_PAUSE
        while not await self._readiness.answers(check, targets):
            await self._clock.sleep(pause)
            brisk = self._clock.monotonic() - began < _BRISK_SECONDS
            pause = min(pause * 2, _BRISK_PAUSE if brisk else _CALM_PAUSE)
