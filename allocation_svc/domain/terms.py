"""When an allocation ends, rests and wakes by itself, and what of that may be chosen here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from allocation_svc.domain.faults import ExpireTimeInvalid, IdleTimeoutInvalid
from allocation_svc.domain.schedule import Schedule
from chassis.clock import rfc3339
from chassis.faults import FieldViolation

_SECONDS = 1
_MINUTES = 60
_HOURS = 3600
_DAYS = 86_400


LONGEST_SECONDS = 3650 * _DAYS
"""The longest span of time that anything waits by itself; with it all times can be reckoned with."""


class EndAction(Enum):
    """What happens when the time of an allocation is over; the values are the names in the contract."""

    STOP = "STOP"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class Terms:
    """When an allocation ends, rests and wakes by itself.

    Attributes:
        expire_time: when its time is over; None for never.
        expire_action: what happens then.
        idle_seconds: after how long without use it is stopped; 0 for never.
        schedule: when in the week it is started and stopped; None for no schedule.
    """

    expire_time: datetime | None = None
    expire_action: EndAction = EndAction.STOP
    idle_seconds: float = 0.0
    schedule: Schedule | None = None

    def expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expire_time is not None and now >= self.expire_time


NO_TERMS = Terms()
"""Nothing happens by itself."""


@dataclass(frozen=True, slots=True)
class TermLimits:
    """What may be chosen in an installation, in seconds; 0 where nothing is set.

    Attributes:
        default_lifetime: how long an allocation lasts that says nothing itself.
        longest_lifetime: how long one may last at most, from when it was rented.
        default_idle: after how long without use one is stopped that says nothing itself.
        longest_idle: the longest such time, which then everyone has.
        shortest_idle: the shortest such time: use cannot be seen more finely.
    """

    default_lifetime: float = 0.0
    longest_lifetime: float = 0.0
    default_idle: float = 0.0
    longest_idle: float = 0.0
    shortest_idle: float = 60.0

    def completed(self, terms: Terms, now: datetime) -> Terms:
        """The terms of an allocation that is rented now, with what it says nothing about itself."""
        lifetime = self.default_lifetime or self.longest_lifetime
        if terms.expire_time is None and lifetime:
            terms = replace(terms, expire_time=now + timedelta(seconds=lifetime))
        if not terms.idle_seconds:
            terms = replace(terms, idle_seconds=self.default_idle or self.longest_idle)
        return terms

    def check(
        self, before: Terms, after: Terms, rented: datetime, now: datetime, *, unlimited: bool
    ) -> None:
        """Refuses what may not be chosen; what stays as it was is not looked at.

        Args:
            before: as they were; those of nothing for a new allocation.
            after: as they shall be.
            rented: when the allocation was rented.
            now: the present.
            unlimited: whether it may last, and be idle, for as long as somebody likes.

        Raises:
            ExpireTimeInvalid, IdleTimeoutInvalid: say what may be chosen.
        """
        if after.expire_time != before.expire_time:
            self._check_expiry(after.expire_time, rented, now, unlimited=unlimited)
        if after.idle_seconds != before.idle_seconds:
            self._check_idle(after.idle_seconds, unlimited=unlimited)

    def _check_expiry(
        self, expire_time: datetime | None, rented: datetime, now: datetime, *, unlimited: bool
    ) -> None:
        if expire_time is not None and expire_time <= now:
            raise _expiry_fault(
                f"It is {rfc3339(now)} already; choose an expire_time after that, or remove it."
            )
        if unlimited or not self.longest_lifetime:
            return
        latest = rented + timedelta(seconds=self.longest_lifetime)
        if expire_time is None or expire_time > latest:
            raise _expiry_fault(
                f"Here an allocation lasts {in_words(self.longest_lifetime)} at most; choose an "
                f"expire_time until {rfc3339(latest)}."
            )

    def _check_idle(self, seconds: float, *, unlimited: bool) -> None:
        if seconds > LONGEST_SECONDS:
            raise _idle_fault(
                f"Choose {in_words(LONGEST_SECONDS)} or less, or 0 to have it never stopped."
            )
        if 0 < seconds < self.shortest_idle:
            raise _idle_fault(
                f"Choose {in_words(self.shortest_idle)} or more: whether it is used is not seen more "
                "finely."
            )
        if unlimited or not self.longest_idle:
            return
        if not seconds or seconds > self.longest_idle:
            raise _idle_fault(
                f"Here an allocation may be idle for {in_words(self.longest_idle)} at most; choose "
                "that or less."
            )


def in_words(seconds: float) -> str:
    """A span of time for people: `30 minutes`, `1 day`, `90 seconds`."""
    whole = round(seconds)
    for size, name in (
        (_DAYS, "day"),
        (_HOURS, "hour"),
        (_MINUTES, "minute"),
        (_SECONDS, "second"),
    ):
        if whole and whole % size == 0:
            count = whole // size
            return f"{count} {name}" if count == 1 else f"{count} {name}s"
    return "0 seconds"


def _expiry_fault(message: str) -> ExpireTimeInvalid:
    return ExpireTimeInvalid(message, fields=[FieldViolation("allocation.expire_time", message)])


def _idle_fault(message: str) -> IdleTimeoutInvalid:
    return IdleTimeoutInvalid(
        message, fields=[FieldViolation("allocation.idle_policy.timeout", message)]
    )
