"""What was read last of a followed log, and whether what comes next can be believed."""

from __future__ import annotations

import operator
import time
from collections import deque
from collections.abc import Sequence

from docker_svc.adapters.log_source.place import SLACK_NS

_FRESH_NS = 80_000_000
_REMEMBERED = 256  # so many times are remembered, to tell a line that comes again
_TOLD_APART = 4  # so many of the latest times, all different, tell a place in the log


class Latest:
    """The times of the lines that were read last.

    Args:
        is_local: whether the engine has the clock of this host; of one elsewhere, the least delay
            that was seen is taken for none.

    Attributes:
        newest: the newest time that was read, nanoseconds since 1970 UTC.
    """

    __slots__ = ("_is_local", "_least_delay", "_since", "_times", "newest")

    def __init__(self, *, is_local: bool) -> None:
        self.newest = 0
        self._times: deque[int] = deque(maxlen=_REMEMBERED)
        self._since = 0
        self._is_local = is_local
        self._least_delay = 0 if is_local else 1 << 62

    def forget(self) -> None:
        """Forgets the lines, not how new they were."""
        self._times.clear()

    def resume(self, newest: int) -> None:
        """Begins at a place where the newest time that was read is this one."""
        self._times.clear()
        self._since = 0
        self.newest = newest

    def met(self, moment: int) -> None:
        """Remembers a line that was stepped over, since it is known."""
        self._times.append(moment)

    def note(self, times: Sequence[int], *, has_pieces: bool) -> None:
        """Remembers lines that were just taken.

        Args:
            times: of the lines.
            has_pieces: whether there were pieces without a line of their own: these are not among
                the times, and so no place can be told.
        """
        if times:
            self.newest = max(self.newest, *times)
        if has_pieces:
            self._times.clear()
            self._since = self.newest
        else:
            self._times.extend(times[-_REMEMBERED:])

    def place(self) -> tuple[int, ...]:
        """The times of the last lines, where they tell a place in the log; empty where not."""
        last = tuple(self._times)[-_TOLD_APART:]
        return last if len(set(last)) == _TOLD_APART else ()

    def is_late(self, written: int, *, after_much: bool) -> bool:
        """Whether what a followed stream brings was written too long ago, or after a doubtful pause.

        Args:
            written: when, nanoseconds since 1970 UTC.
            after_much: whether much came just before.
        """
        delay = time.time_ns() - written
        if not self._is_local:
            self._least_delay = min(self._least_delay, delay)
        paused = written - self.newest > _FRESH_NS
        return delay - self._least_delay > _FRESH_NS or (after_much and paused)

    def came_before(self, times: Sequence[int]) -> bool:
        """Whether lines that a followed stream brought may have come before."""
        if not times or (times[0] > self.newest and not any(map(operator.le, times[1:], times))):
            return False
        # Not in order. Two streams of a program do that to each other; then the lines are new.
        oldest = max(self.newest - SLACK_NS, self._since)
        if len(self._times) == _REMEMBERED:
            oldest = max(oldest, self._times[0])
        seen = set(self._times)
        for each in times:
            if each in seen or each < oldest:
                return True
            seen.add(each)
        return False
