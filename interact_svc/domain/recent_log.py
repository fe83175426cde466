"""The newest part of a log, shared by all who watch it."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

from interact_svc.domain.frames import Chunk


class RecentLog:
    """Consecutive chunks, bounded by their bytes; the oldest go first."""

    def __init__(self, start: int, max_bytes: int) -> None:
        """Begins empty.

        Args:
            start: the number that the first chunk will begin with.
            max_bytes: of text, at most; one chunk at least is kept.
        """
        self.start = start
        self.end = start
        self._max_bytes = max_bytes
        self._bytes = 0
        self._chunks: deque[Chunk] = deque()
        self._firsts: deque[int] = deque()

    def append(self, chunk: Chunk) -> None:
        """Adds the next chunk.

        Raises:
            ValueError: it does not begin where the last one ended.
        """
        if chunk.first != self.end:
            raise ValueError(f"chunk {chunk.first}..{chunk.last} does not follow {self.end - 1}")
        self._chunks.append(chunk)
        self._firsts.append(chunk.first)
        self._bytes += chunk.size
        self.end = chunk.last + 1
        while self._bytes > self._max_bytes and len(self._chunks) > 1:
            oldest = self._chunks.popleft()
            self._firsts.popleft()
            self._bytes -= oldest.size
            self.start = oldest.last + 1

    def at(self, seq: int) -> Chunk | None:
        """The chunk that holds a number, cut to begin with it; None where it is not here."""
        if not self.start <= seq < self.end:
            return None
        if self._firsts[-1] <= seq:
            return self._chunks[-1].since(seq)
        return self._chunks[bisect_right(self._firsts, seq) - 1].since(seq)
