"""Who watches instances, and what each has yet to be told."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from chassis.clock import Clock
from docker_svc.domain import Instance

_MAX_WAITING = 1000
_SIGN_OF_LIFE_SECONDS = 10.0
_FIRST_ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ListAgain:
    """Changes may have been missed."""


@dataclass(frozen=True, slots=True)
class Available:
    """Whether the engine answers."""

    available: bool


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """Nothing has happened for a while."""


Told = Instance | ListAgain | Available | SignOfLife


class _Watcher:
    """What one watcher has yet to be told: bounded, and what does not fit becomes `ListAgain`."""

    def __init__(self) -> None:
        self.waiting: deque[Told] = deque()
        self.wake = asyncio.Event()

    def take(self, told: Told) -> None:
        if len(self.waiting) >= _MAX_WAITING:
            self.waiting.clear()
            self.waiting.append(ListAgain())
        self.waiting.append(told)
        self.wake.set()


class Watching:
    """Tells every watcher of each change."""

    def __init__(self, clock: Clock) -> None:
        """Keeps the clock, for signs of life."""
        self._clock = clock
        self._watchers: set[_Watcher] = set()
        self.available = False
        self._known = asyncio.Event()

    def tell(self, instance: Instance) -> None:
        """An instance is different now."""
        for watcher in self._watchers:
            watcher.take(instance)

    def tell_again(self) -> None:
        """What instances run on is different now: everything is to be looked at again."""
        for watcher in self._watchers:
            watcher.take(ListAgain())

    def tell_available(self, *, available: bool) -> None:
        """The engine answers, or does not; where it is back, something may have been missed."""
        changed = available != self.available or not self._known.is_set()
        self.available = available
        self._known.set()
        for watcher in self._watchers:
            if changed:
                watcher.take(Available(available))
            if available:
                watcher.take(ListAgain())

    async def answers(self) -> bool:
        """Whether the engine answers; right after the start, once that is known."""
        if not self._known.is_set():
            # Bounded, for an engine that neither answers nor refuses.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FIRST_ANSWER_SECONDS):
                    await self._known.wait()
        return self.available

    async def watch(self) -> AsyncGenerator[Told, None]:
        """Changes from now on, never ending: first `ListAgain`, then whether the engine answers.

        Right after the start that is not known yet, and is told as soon as it is.
        """
        watcher = _Watcher()
        watcher.take(ListAgain())
        if self._known.is_set():
            watcher.take(Available(self.available))
        self._watchers.add(watcher)
        try:
            async with aclosing(self._told(watcher)) as told:
                async for one in told:
                    yield one
        finally:
            self._watchers.discard(watcher)

    async def _told(self, watcher: _Watcher) -> AsyncGenerator[Told, None]:
        while True:
            while watcher.waiting:
                yield watcher.waiting.popleft()
            watcher.wake.clear()
            waking = asyncio.ensure_future(watcher.wake.wait())
            resting = asyncio.ensure_future(self._clock.sleep(_SIGN_OF_LIFE_SECONDS))
            try:
                await asyncio.wait({waking, resting}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waking.cancel()
                resting.cancel()
            if not watcher.waiting:
                yield SignOfLife()
