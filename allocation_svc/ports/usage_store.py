"""Where it is kept what allocations were, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from allocation_svc.domain.allocation import Allocation
from allocation_svc.domain.usage import Interval, Usage, Window


class UsageStore(Protocol):
    """Tells what allocations were, and for how long.

    The store of allocations writes it down, in the transaction that keeps the change: so the last interval
    of an allocation always says what the allocation says, and what is told here of a window that has passed
    changes only where the engine has been away and tells later what was so. Intervals of an allocation are
    told from its creation to its removal without a gap. All of one answer is of one moment. Times are UTC in
    milliseconds. Every method may raise Unavailable while the store does not answer.
    """

    async def usage(self, allocation: str, window: Window) -> Usage:
        """What an allocation comes to in a window; nothing where there is no such allocation."""
        ...

    async def intervals(
        self, allocation: str, window: Window, size: int, below: int | None = None
    ) -> Sequence[Interval]:
        """The parts of an allocation's intervals that lie in a window, newest first.

        Args:
            allocation: of which.
            window: when.
            size: how many at most.
            below: the number of the interval after which to begin; None for the newest.
        """
        ...

    async def usage_of_machine(self, machine: str, window: Window) -> tuple[Usage, int]:
        """What all allocations of a machine come to in a window, and how many of them lived then."""
        ...

    async def page(
        self, owner: str, window: Window, size: int, after: str = ""
    ) -> Sequence[tuple[Allocation, Usage]]:
        """Allocations by name, those too that were removed, each with what it comes to in a window.

        Args:
            owner: whose; empty for everybody's.
            window: when; what did not live then comes to nothing.
            size: how many at most.
            after: the name after which to begin.
        """
        ...
