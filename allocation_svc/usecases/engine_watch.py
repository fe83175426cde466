"""Whether the engine answers, what its node is, and what it tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from datetime import datetime
from typing import Protocol, cast

from allocation_svc.domain.faults import EngineUnavailable
from allocation_svc.domain.instance import Instance, Node
from allocation_svc.ports.engine import Engine, EngineEvent
from allocation_svc.ports.step_observer import StepObserver
from chassis.clock import Clock
from chassis.faults import Fault

_SILENCE_SECONDS = 30.0
_FIRST_DELAY = 0.05
# So long the engine's service may take to come up beside us, before it counts as away.
_START_SECONDS = 5.0
_LONGEST_DELAY = 2.0
_NODE_SECONDS = 30.0
_NODE_PAUSE_SECONDS = 2.0


class EngineListener(Protocol):
    """Who wants to hear what the engine tells."""

    def instance_changed(self, instance: Instance) -> None:
        """An instance is now so."""
        ...

    def list_again(self) -> None:
        """Changes may have been missed."""
        ...

    def engine_turned(self, *, answers: bool) -> None:
        """The engine has gone away, or come back."""
        ...


class EngineWatch:
    """Follows the engine's events. Until the first one, the engine counts as there, for some seconds."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        observer: StepObserver,
        stopping: asyncio.Event | None = None,
        *,
        grace_seconds: float = 0.0,
    ) -> None:
        """Nothing is asked before `run`, or before somebody wants to know the node.

        Args:
            engine: what is followed.
            clock: the time.
            observer: is told what fails.
            stopping: set when this process begins to stop; the engine is not away then, only we are.
            grace_seconds: how long it may be away before anybody is refused: a replica of its service
                hands over to another one in less.
        """
        self._grace = grace_seconds
        self._stopping = stopping or asyncio.Event()
        self._engine = engine
        self._clock = clock
        self._observer = observer
        self._listeners: list[EngineListener] = []
        self._node: Node | None = None
        self._node_until = 0.0
        self._node_changes = 0
        self._away_since: float | None = None
        self._heard_time: datetime | None = None

    @property
    def answers(self) -> bool:
        """Whether the engine can be asked, as far as is known."""
        return self._away_since is None

    @property
    def away_seconds(self) -> float:
        """For how long it has been away."""
        return 0.0 if self._away_since is None else self._clock.monotonic() - self._away_since

    @property
    def heard_time(self) -> datetime | None:
        """When anything was last heard of it."""
        return self._heard_time

    def listen(self, listener: EngineListener) -> None:
        """Tells somebody what happens from now on."""
        self._listeners.append(listener)

    def refuse_if_away(self, *, noted: bool) -> None:
        """Keeps a call from answering as if all were well while the engine is away for longer.

        Args:
            noted: whether what was asked for is written down, and so will be done.

        Raises:
            EngineUnavailable: it is away.
        """
        if self.answers or self.away_seconds < self._grace:
            return
        raise EngineUnavailable(
            "The engine does not answer. What you asked for is noted, and is done when the engine is "
            "back."
            if noted
            else "The engine does not answer, so nothing was rented; try again when it is back.",
            retry_after=5,
            noted=str(noted).lower(),
        )

    async def node(self) -> Node:
        """The node, as it was a moment ago: asked again now and then, and after whatever may change it.

        Raises:
            Unavailable: it was never asked, and does not answer now.
        """
        if self._node is None:
            await self.refresh_node()
        elif (now := self._clock.monotonic()) >= self._node_until:
            # Nobody else asks meanwhile, nor right after it did not answer.
            self._node_until = now + _NODE_PAUSE_SECONDS
            with suppress(Fault):
                await self.refresh_node()
        assert self._node is not None
        return self._node

    def node_changed(self) -> None:
        """Has the node asked anew before anybody is told of it again."""
        self._node_until = 0.0
        self._node_changes += 1

    async def refresh_node(self) -> None:
        """Asks what the node is now.

        Raises:
            Unavailable: it does not answer.
        """
        changes = self._node_changes
        self._node = await self._engine.node()
        if changes == self._node_changes:
            # Else this answer may be from before the change.
            self._node_until = self._clock.monotonic() + _NODE_SECONDS

    async def run(self) -> None:
        """Follows the events until it is cancelled."""
        began = self._clock.monotonic()
        delay = _FIRST_DELAY
        while True:
            try:
                stream = cast("AsyncGenerator[EngineEvent]", self._engine.events())
                async with aclosing(stream) as events:
                    while True:
                        async with asyncio.timeout(_SILENCE_SECONDS):
                            event = await anext(events)
                        delay = _FIRST_DELAY
                        self._heard(event)
            except (Fault, TimeoutError, StopAsyncIteration) as error:
                if self._stopping.is_set():
                    await asyncio.Event().wait()
                self._observer.failed("events", error)
            if self._heard_time is not None or self._clock.monotonic() - began > _START_SECONDS:
                # Without events nothing is known: that is as good as an engine that is away.
                self._turned(answers=False)
            await self._clock.sleep(delay)
            delay = min(delay * 2, _LONGEST_DELAY)

    def _heard(self, event: EngineEvent) -> None:
        if event.available is not None:
            self._turned(answers=event.available)
        if self.answers:
            self._heard_time = self._clock.now()
        if event.list_again or event.available:
            self.node_changed()
        for listener in self._listeners:
            if event.instance is not None:
                listener.instance_changed(event.instance)
            if event.list_again:
                listener.list_again()

    def _turned(self, *, answers: bool) -> None:
        if answers == self.answers:
            return
        self._away_since = None if answers else self._clock.monotonic()
        for listener in self._listeners:
            listener.engine_turned(answers=answers)
