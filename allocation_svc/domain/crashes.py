"""What becomes of programs that end by themselves: when they are started again, and when no more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

_NO_TIME = timedelta(0)


class RestartPolicy(Enum):
    """What becomes of a program that has ended by itself; the values are the names in the contract."""

    NEVER = "NEVER"
    ON_FAILURE = "ON_FAILURE"
    ALWAYS = "ALWAYS"

    def restarts(self, *, failure: bool) -> bool:
        """Whether a program is started again.

        Args:
            failure: whether it ended with an error, rather than because its work was done.
        """
        return self is RestartPolicy.ALWAYS or (self is RestartPolicy.ON_FAILURE and failure)


@dataclass(frozen=True, slots=True)
class RestartRules:
    """How soon and how often a program is started again by itself; times in seconds.

    Attributes:
        first: how long after its first end; twice that after the next one, and so on.
        longest: the most that this grows to.
        steady: how long it must have been READY for that to begin anew.
        most: so many restarts within `window`, and no more.
        window: see above.
    """

    first: float = 1.0
    longest: float = 60.0
    steady: float = 600.0
    most: int = 8
    window: float = 600.0


@dataclass(frozen=True, slots=True)
class Restarts:
    """The restarts of an allocation's program that nobody asked for.

    Attributes:
        count: how many there were since the owner last asked for a start, a stop or a restart.
        in_a_row: how many there were since it was last READY for long enough.
        times: when the latest were, oldest first; as many as the loop guard looks at.
        planned: when the next one is due; None where none is.
        incarnation: which incarnation it is that has ended, or does not answer, where one is planned.
    """

    count: int = 0
    in_a_row: int = 0
    times: tuple[datetime, ...] = ()
    planned: datetime | None = None
    incarnation: int = 0

    @property
    def unplanned(self) -> Restarts:
        """The same, without what was planned."""
        return self if self.planned is None else replace(self, planned=None)

    def steadied(self, ready_since: datetime, now: datetime, rules: RestartRules) -> Restarts:
        """The same; begun anew where it had been READY for long enough."""
        if now - ready_since < timedelta(seconds=rules.steady):
            return self
        return replace(self, in_a_row=0, times=())

    def exhausted(self, now: datetime, rules: RestartRules) -> bool:
        """Whether there were as many within the window as there may be."""
        window = timedelta(seconds=rules.window)
        # A time that is yet to come is from before the clock was set back.
        return sum(_NO_TIME <= now - time < window for time in self.times) >= rules.most

    def delay(self, rules: RestartRules) -> float:
        """How long the next one waits, in seconds."""
        longest: float = min(rules.longest, rules.first * 2 ** min(self.in_a_row, 30))
        return longest

    def due(self, now: datetime, rules: RestartRules) -> bool:
        """Whether the planned one is to be made now."""
        if self.planned is None:
            return False
        # One that is further away than any delay was planned before the clock was set back.
        return not _NO_TIME < self.planned - now <= timedelta(seconds=rules.longest)

    def made(self, now: datetime, rules: RestartRules) -> Restarts:
        """The planned one is made now."""
        return replace(
            self,
            count=self.count + 1,
            in_a_row=self.in_a_row + 1,
            times=(*self.times, now)[-rules.most :],
            planned=None,
        )


NO_RESTARTS = Restarts()
"""None yet."""

USUAL_RULES = RestartRules()
"""What holds where nothing else is said."""
