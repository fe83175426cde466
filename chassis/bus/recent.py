"""The newest records of a log, for those who consume them in the process that writes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from chassis.bus.port import Record

# Of some twenty topics: at most 20 MiB, and mostly a hundredth of that.
_KEPT = 64
_LARGEST = 16 * 1024


class Recent:
    """The newest records of each topic, as long as nobody else writes to the log.

    Positions have no gaps as long as that is so. All records after `_after` of a topic are here; who has
    not come that far reads the log.
    """

    def __init__(self) -> None:
        self._end = 0
        # Nothing is known of what is before that, in any topic.
        self._began = 0
        self._after: dict[str, int] = {}
        self._records: dict[str, deque[tuple[int, Record]]] = {}

    @property
    def end(self) -> int:
        """The position up to which the log is known, here or to be read."""
        return self._end

    def add(self, first: int, records: Sequence[Record]) -> bool:
        """Takes what was written.

        Args:
            first: the position of the first one; each of the others has the next one.
            records: in that order.

        Returns:
            Whether somebody else has written before, of which nobody here has heard.
        """
        last = first + len(records) - 1
        if last <= self._end:
            return False  # Known already as something to be read.
        is_gap = first != self._end + 1
        if is_gap:
            self.begin(first - 1)
        self._end = last
        for position, record in enumerate(records, first):
            if len(record.value) > _LARGEST:
                self._records.pop(record.topic, None)
                self._after[record.topic] = position
                continue
            kept = self._records.setdefault(record.topic, deque())
            kept.append((position, record))
            if len(kept) > _KEPT:
                self._after[record.topic] = kept.popleft()[0]
        return is_gap

    def begin(self, position: int) -> None:
        """Forgets everything: what is up to a position is to be read."""
        self._end = self._began = max(position, self._end)
        self._after.clear()
        self._records.clear()

    def after(self, topic: str, position: int) -> list[tuple[int, Record]] | None:
        """The records of a topic after a position; None where they are to be read."""
        if not self._end or position < self._after.get(topic, self._began):
            return None
        return [one for one in self._records.get(topic, ()) if one[0] > position]
