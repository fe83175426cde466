"""How many messages are under way at once, and to whom: nobody's slowness is others' delay."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from notifier.domain.delivery import Persistence


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many messages of a channel are sent at the same moment.

    Attributes:
        at_once: of the channel.
        at_once_each: to one destination; 0 where destinations are not told apart, as with mails and
            text messages: all of those go through one server.
    """

    at_once: int
    at_once_each: int = 0


class Pacing:
    """Who gets how many of a channel's places.

    A destination that has failed gets one place at a time, and a rest after each failure, which grows;
    and all those that have failed get half of the places together, so that any number of silent
    servers leaves room for the others.

    Args:
        bounds: how many places there are.
        rests: how long a destination rests after its failures.
    """

    def __init__(self, bounds: Bounds, rests: Persistence) -> None:
        self._bounds = bounds
        self._rests = rests
        self._busy: Counter[str] = Counter()
        self._failures: dict[str, int] = {}
        self._rest_until: dict[str, datetime] = {}

    @property
    def by_destination(self) -> bool:
        """Whether destinations are told apart."""
        return self._bounds.at_once_each > 0

    @property
    def free(self) -> int:
        """How many places are free."""
        return self._bounds.at_once - self._busy.total()

    def places(self, destination: str) -> int:
        """How many more may be sent to a destination now, rests aside."""
        if not self.by_destination:
            return self.free
        most = 1 if destination in self._failures else self._bounds.at_once_each
        return min(self.free, most - self._busy[destination])

    def left_out(self, now: datetime) -> Collection[str]:
        """The destinations to which nothing may be sent now."""
        if not self.by_destination:
            return ()
        out = {one for one in self._busy if self.places(one) <= 0}
        if sum(self._busy[one] for one in self._failures) >= max(1, self._bounds.at_once // 2):
            return out | set(self._failures)
        return out | {one for one, until in self._rest_until.items() if now < until}

    def next_rested(self, now: datetime) -> datetime | None:
        """When the first destination has rested; None where none rests."""
        return min((until for until in self._rest_until.values() if until > now), default=None)

    def began(self, destination: str) -> None:
        """One is being sent."""
        self._busy[destination] += 1

    def ended(self, destination: str) -> None:
        """One is no longer being sent, whatever became of it."""
        self._busy[destination] -= 1
        if self._busy[destination] <= 0:
            del self._busy[destination]

    def failed(self, destination: str, now: datetime, at_least: timedelta = timedelta()) -> None:
        """The destination did not take one; it may want to be left alone for a time."""
        if not self.by_destination:
            return
        failures = self._failures[destination] = self._failures.get(destination, 0) + 1
        # No secret depends on it.
        pause = self._rests.pause(failures, random.random())  # noqa: S311
        self._rest_until[destination] = now + max(pause, at_least)

    def well(self, destination: str) -> None:
        """The destination took one, or is no more."""
        self._failures.pop(destination, None)
        self._rest_until.pop(destination, None)

    def rested(self, now: datetime, longest: timedelta = timedelta(days=1)) -> None:
        """Forgets destinations that have not been heard of for long, so that none is kept for ever."""
        for one, until in list(self._rest_until.items()):
            if now - until > longest and one not in self._busy:
                self.well(one)
