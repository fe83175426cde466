"""When in the week an allocation is started and stopped, in the time of some place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from functools import lru_cache
from zoneinfo import ZoneInfo

from allocation_svc.domain.faults import ScheduleInvalid
from chassis.faults import FieldViolation

_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_WEEK = 7
_SECOND = timedelta(seconds=1)


class Action(Enum):
    """What can happen at a time; the values are the names in the contract."""

    START = "START"
    STOP = "STOP"


@dataclass(frozen=True, slots=True)
class ScheduledAction:
    """Something that happens at a time of the week.

    Attributes:
        action: what.
        days: on which days, 0 for Monday to 6, in order and once each.
        time: when, `HH:MM`, in the time of the schedule's place.
    """

    action: Action
    days: tuple[int, ...]
    time: str


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An action of a schedule at an instant, in UTC."""

    time: datetime
    action: Action


@dataclass(frozen=True, slots=True)
class Schedule:
    """What happens when in the week.

    On each named day each action happens once: a time that a change to summer time leaves out is
    when the clocks change, and one that comes twice is the first of both. Of actions at the same
    instant the last one counts.

    Attributes:
        time_zone: the IANA name of the place whose time it is.
        actions: what happens.
    """

    time_zone: str
    actions: tuple[ScheduledAction, ...]

    def latest(self, now: datetime) -> Occurrence | None:
        """What happened last, at or before an instant; None where nothing ever does."""
        found = [one for one in self._around(now) if one.time <= now]
        return found[-1] if found else None

    def next(self, now: datetime, action: Action) -> datetime | None:
        """When an action happens next, after an instant; None where it never does.

        An action that another one at the same instant takes the place of does not happen.
        """
        found = self._around(now)
        for place, one in enumerate(found):
            is_last = place + 1 == len(found) or found[place + 1].time > one.time
            if one.time > now and one.action is action and is_last:
                return one.time
        return None

    def _around(self, now: datetime) -> list[Occurrence]:
        """What happens from a week before an instant until a week after it, in order."""
        zone = zone_of(self.time_zone)
        if zone is None:
            # The zone was known when the schedule was set; without it nothing is known to be due.
            return []
        today = now.astimezone(zone).date()
        days = (today + timedelta(days=n) for n in range(-_WEEK - 1, _WEEK + 2))
        found = [one for day in days for one in self._on(day, zone)]
        # Stable: what is later in the list counts, where two are at once.
        return sorted(found, key=lambda one: one.time)

    def _on(self, day: date, zone: ZoneInfo) -> Iterator[Occurrence]:
        todays = (one for one in self.actions if day.weekday() in one.days)
        for one in sorted(todays, key=lambda one: one.time):
            yield Occurrence(_instant(day, one.time, zone), one.action)


def schedule_of(
    time_zone: str, actions: Sequence[tuple[str, Sequence[int], str]]
) -> Schedule | None:
    """The schedule that somebody asks for; None where it is empty.

    Args:
        time_zone: `Europe/Berlin`.
        actions: of each, `START` or `STOP`, the days from 0 for Monday (none: every day), and `HH:MM`.

    Raises:
        ScheduleInvalid: names the first field that is wrong, and lists all.
    """
    if not time_zone and not actions:
        return None
    problems = []
    if not time_zone:
        problems.append(("time_zone", "Name the time zone of the schedule: Europe/Berlin."))
    elif zone_of(time_zone) is None:
        problems.append(
            ("time_zone", f"There is no time zone {time_zone!r}; use an IANA name: Europe/Berlin.")
        )
    if not actions:
        problems.append(("actions", "Say what happens when: at least one action."))
    found = []
    for place, (action, days, at) in enumerate(actions):
        field = f"actions[{place}]"
        if action not in Action.__members__:
            problems.append((f"{field}.action", "Say what happens: START or STOP."))
        if any(not 0 <= day < _WEEK for day in days):
            problems.append((f"{field}.days", "Name days of the week: MONDAY to SUNDAY."))
        if not _TIME.fullmatch(at):
            problems.append((f"{field}.time", f"{at!r} is no time of day; write HH:MM: 08:30."))
        if not problems:
            every = sorted(set(days)) or range(_WEEK)
            found.append(ScheduledAction(Action[action], tuple(every), at))
    if problems:
        fields = [FieldViolation(f"allocation.schedule.{field}", text) for field, text in problems]
        raise ScheduleInvalid(fields[0].message, fields=fields)
    return Schedule(time_zone, tuple(found))


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of a name; None where there is none here."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return None


@lru_cache(maxsize=4096)
def _instant(day: date, at: str, zone: ZoneInfo) -> datetime:
    local = datetime.combine(day, time.fromisoformat(at))
    # The first one, where the clocks are set back and it comes twice.
    instant = local.replace(tzinfo=zone).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local:
        return instant
    # It does not come, since the clocks are set forward: the first moment after they were. With the
    # offset of afterwards it would be before that moment, with the one of before it is after it.
    low, high = local.replace(tzinfo=zone, fold=1).astimezone(UTC), instant
    before = low.astimezone(zone).utcoffset()
    while high - low > _SECOND:
        middle = low + (high - low) // 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
