"""Looking whether an instance answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from docker_svc.domain import HttpCheck, Target, TcpCheck
from docker_svc.ports.logs import LogSource


class Readiness(Protocol):
    """Looks once whether an instance answers over the network."""

    async def answers(self, check: TcpCheck | HttpCheck, targets: Sequence[Target]) -> bool:
        """Looks once, for at most about a second.

        Args:
            check: how to look.
            targets: where, the best place first; another is tried where one cannot be reached at all.

        Returns:
            Whether the instance answered as it should. Never raises for what the network does.
        """
        ...


class InstanceLogs(Protocol):
    """The part of the log that the life of instances needs; `usecases.logs` provides it."""

    async def attach(
        self, allocation: str, generation: int, incarnation: int, source: LogSource
    ) -> None:
        """Begins, or goes on, to read the log of an instance into the journal."""
        ...

    async def drained(self, allocation: str, timeout: float) -> bool:
        """Waits until all that an ended program has written is in the journal.

        Args:
            allocation: whose.
            timeout: seconds to wait at most.

        Returns:
            Whether all of it is there.
        """
        ...

    async def detach(self, allocation: str) -> None:
        """Reads no more: the instance was removed. What was read stays for its retention."""
        ...

    async def matches(
        self, allocation: str, generation: int, incarnation: int, pattern: str
    ) -> None:
        """Returns once a line of that incarnation matches the regular expression."""
        ...

    async def matched_again(
        self, allocation: str, generation: int, incarnation: int, pattern: str
    ) -> bool:
        """Whether a line of that incarnation matches, among those since this was last asked."""
        ...
