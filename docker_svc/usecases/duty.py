"""Duty on a node: one replica works there at a time, the others stand by."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

from chassis.clock import Clock
from chassis.faults import Unavailable
from docker_svc.ports.node_lock import NodeLock
from docker_svc.usecases.activity import ActivityWatch
from docker_svc.usecases.followers import Followers
from docker_svc.usecases.following import Following
from docker_svc.usecases.instances import Instances
from docker_svc.usecases.logs import Logs
from docker_svc.usecases.node import Node
from docker_svc.usecases.volumes import Volumes

LOOK_SECONDS = 0.1
"""How often a replica that stands by tries to take over: what a take-over costs at most before the
opening of what is kept."""
_PATIENCE_LOOKS = 10
"""So often the lock may be found taken by a replica that is perhaps just going, before this one counts as
standing by."""
_FINISH_SECONDS = 3.0


class NotOnDuty(Unavailable):
    """This replica stands by, or has handed over; another one answers."""

    reason = "SERVICE_STOPPING"


class SaysWho(Protocol):
    """Where it is written down that this replica stands by; a structlog logger is one."""

    def info(self, event: str, **values: object) -> object:
        """Takes a constant message and values."""
        ...


@dataclass(frozen=True, slots=True)
class Work:
    """What the replica on duty works with."""

    instances: Instances
    following: Following
    node: Node
    logs: Logs
    volumes: Volumes
    activity: ActivityWatch
    followers: Followers


class Duty:
    """Stands by, takes over, works, hands over: once in the life of a process.

    Args:
        lock: which replica is on duty.
        begin: opens what only the replica on duty may open; what is to be closed at the end of the
            duty goes into the stack.
        clock: the time.
        draining: set when the process begins to stop.
        is_shared: whether others may stand by: then duty ends with the calls that there are when the
            process begins to stop, and not with the process.
        log: is told who is waited for.
    """

    def __init__(
        self,
        lock: NodeLock,
        begin: Callable[[AsyncExitStack], Awaitable[Work]],
        clock: Clock,
        draining: asyncio.Event,
        *,
        is_shared: bool,
        log: SaysWho,
    ) -> None:
        self._lock = lock
        self._begin = begin
        self._clock = clock
        self._draining = draining
        self._is_shared = is_shared
        self._log = log
        self._exits = AsyncExitStack()
        self._work: Work | None = None
        self._calls = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing: asyncio.Task[None] | None = None

    @property
    def present(self) -> Work | None:
        """What this replica works with; None while it is not on duty."""
        return self._work

    @contextmanager
    def working(self) -> Iterator[Work]:
        """What a call works with; the duty is not handed over while it lasts, for a moment.

        Raises:
            NotOnDuty: this replica stands by.
        """
        if self._work is None or (self._is_shared and self._draining.is_set()):
            raise NotOnDuty(
                "This replica of docker_svc does not work at present; another one does, or will in a "
                "moment.",
                retry_after=1.0,
            )
        self._calls += 1
        self._idle.clear()
        try:
            yield self._work
        finally:
            self._calls -= 1
            if not self._calls:
                self._idle.set()

    async def take_over(self, stands_by: asyncio.Event) -> None:
        """Waits until no other replica is on duty, and opens everything.

        A replica that is to stop waits for ever, for it would have to hand over at once.

        Args:
            stands_by: is set where another replica stays on duty.
        """
        told: str | None = None
        looks = 0
        while self._draining.is_set() or not self._lock.take():
            looks += 1
            if looks == _PATIENCE_LOOKS:
                stands_by.set()
            if (holder := self._lock.holder()) != told:
                told = holder
                self._log.info("standing by", holder=holder)
            await self._clock.sleep(LOOK_SECONDS)
        try:
            self._work = await self._begin(self._exits)
        except BaseException:
            await self.hand_over()
            raise

    async def run(self) -> None:
        """Does what is done without being asked, until it is cancelled; hands over then, or before.

        Raises:
            ExceptionGroup: something has failed that must not.
        """
        work = self._work
        if work is None:
            raise AssertionError("work begins after taking over")
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(work.logs.run(), name="docker_svc.logs"),
                    group.create_task(work.following.run(), name="docker_svc.instances"),
                    group.create_task(work.volumes.run(), name="docker_svc.volumes"),
                ]
                await self._draining.wait()
                if not self._is_shared:
                    await asyncio.Event().wait()
                await self._finished()
                for task in tasks:
                    task.cancel()
        finally:
            await self.hand_over()
        await asyncio.Event().wait()

    async def hand_over(self) -> None:
        """Closes what was opened, and lets the next replica take over; may be called again.

        Also a caller that is cancelled meanwhile leaves nothing open when the lock goes.
        """
        if self._closing is None:
            self._work = None
            self._closing = asyncio.create_task(self._close(), name="docker_svc.hand_over")
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        try:
            await self._exits.aclose()
        finally:
            self._lock.let_go()

    async def _finished(self) -> None:
        """Waits for the calls that there are: no long, since somebody waits for this replica to go."""
        try:
            async with asyncio.timeout(_FINISH_SECONDS):
                await self._idle.wait()
        except TimeoutError:
            self._log.info("calls are left behind", calls=self._calls)
