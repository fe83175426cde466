"""What the use cases need of others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol

from interact_svc.domain.frames import AllocationSnapshot, Chunk, Measure


class Page(NamedTuple):
    """A page of a log.

    Attributes:
        chunks: lines and gaps, contiguous.
        first: the oldest number that is kept; 0 for an empty log.
        last: the newest number; 0 for an empty log.
        next: the number that the next page begins with.
    """

    chunks: Sequence[Chunk]
    first: int
    last: int
    next: int


class AllocationView(Protocol):
    """Allocations, as allocation_svc tells them."""

    async def get(self, name: str) -> AllocationSnapshot:
        """Reads an allocation with the rights of the person who is served: it decides who may watch.

        Raises:
            NotFound: it is not there, or not theirs.
            Unauthenticated: their token is refused.
            Unavailable: allocation_svc is away: nobody is let in then.
        """
        ...

    def watch(self, name: str) -> AsyncIterator[AllocationSnapshot]:
        """Yields an allocation as it is, and each time that it changes, with our own rights.

        Raises:
            Fault: the stream has ended; open it again.
        """
        ...


class LogFeed(Protocol):
    """Logs and statistics, as docker_svc tells them."""

    async def read(self, allocation: str, cursor: int, max_lines: int) -> Page:
        """Reads a page of the journal; an empty one where the allocation has no log yet.

        Args:
            allocation: `allocations/…`.
            cursor: the first number; 0 for the oldest kept, negative for so many from the end.
            max_lines: at most 10,000.

        Raises:
            Unavailable: docker_svc is away.
        """
        ...

    def follow(self, allocation: str, cursor: int) -> AsyncIterator[Chunk]:
        """Yields the log from a number on, then live; contiguous.

        Raises:
            Fault: the stream has ended; open it again where it was left.
        """
        ...

    def measure(self, allocation: str) -> AsyncIterator[Measure]:
        """Yields what the instance uses, while it runs.

        Raises:
            Fault: the stream has ended.
        """
        ...
