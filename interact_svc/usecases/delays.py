"""How long to wait before something is tried again."""

from __future__ import annotations

FIRST_SECONDS = 0.05
LONGEST_SECONDS = 1.0
_GROWTH = 1.5  # doubled, they would be longer than what is mostly waited for, half a second


class Delays:
    """From try to try longer, up to a bound.

    Attributes:
        next: the wait that is due next, seconds.
        longest: the bound, seconds.
    """

    def __init__(self) -> None:
        """Begins with a short one."""
        self.next = FIRST_SECONDS
        self.longest = LONGEST_SECONDS

    def take(self) -> float:
        """The wait that is due now, seconds."""
        due, self.next = self.next, min(_GROWTH * self.next, self.longest)
        return due

    def begin_anew(self) -> None:
        """It has brought something: the next wait is a short one."""
        self.next = FIRST_SECONDS
