"""After a restart of the host: what ran there comes back a few at a time, in the order it was."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime

from allocation_svc.domain.instance import Instance, InstanceState

_NEVER = datetime.min.replace(tzinfo=UTC)
_ON_THE_WAY = frozenset(
    {
        InstanceState.PULLING,
        InstanceState.CREATING,
        InstanceState.RUNNING,
        InstanceState.STOPPING,
    }
)


class Turns:
    """Gives turns to those whose programs have ended with their host: the longest running first.

    A turn lasts until the program is ready, or has failed. All at once would keep each other and
    everybody else from the processor and the disk for minutes. Who ran longest is known once the engine
    has told of everything: nobody has a turn before.
    """

    def __init__(self, at_once: int, kick: Callable[[str], None]) -> None:
        """Begins with nobody.

        Args:
            at_once: how many turns there are.
            kick: has an allocation worked on, once it has its turn.
        """
        self._at_once = at_once
        self._kick = kick
        self._waiting: dict[str, datetime] = {}
        self._heap: list[tuple[datetime, str]] = []
        self._starting: set[str] = set()
        self._all_heard = False

    def heard(self, instance: Instance) -> None:
        """The engine has told of an instance."""
        name = instance.allocation
        if instance.ended_with_host and instance.state is InstanceState.EXITED:
            if name not in self._starting and name not in self._waiting:
                began = instance.start_time or _NEVER
                self._waiting[name] = began
                heapq.heappush(self._heap, (began, name))
        elif instance.state not in _ON_THE_WAY:
            self.leave(name)

    def all_heard(self) -> None:
        """The engine has told of everything: turns are given."""
        self._all_heard = True
        self._give()

    def hear_anew(self) -> None:
        """The engine was away, or nobody listened: it has to tell of everything before the next turn."""
        self._all_heard = False

    def has_turn(self, instance: Instance) -> bool:
        """Whether what has ended with its host may be started now."""
        self.heard(instance)
        self._give()
        return instance.allocation in self._starting

    def leave(self, name: str) -> None:
        """An allocation is up, or is not to be started any more: the next one has its turn."""
        self._waiting.pop(name, None)
        if name in self._starting:
            self._starting.discard(name)
            self._give()

    def _give(self) -> None:
        while self._all_heard and self._heap and len(self._starting) < self._at_once:
            began, name = heapq.heappop(self._heap)
            if self._waiting.get(name) == began:
                del self._waiting[name]
                self._starting.add(name)
                self._kick(name)
