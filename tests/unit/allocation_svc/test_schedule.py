"""Schedules: times of the week in the time of some place, also where clocks are changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from allocation_svc.domain.faults import ScheduleInvalid
from allocation_svc.domain.schedule import Action, Occurrence, Schedule, schedule_of

MONDAY, FRIDAY, SUNDAY = 0, 4, 6
ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/St_Johns",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "Pacific/Chatham",
        "Africa/Casablanca",
    ]
)
TIMES = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda t: f"{t[0]:02}:{t[1]:02}")
INSTANTS = st.integers(1_262_304_000, 1_893_456_000).map(lambda at: datetime.fromtimestamp(at, UTC))
LISTS = st.lists(
    st.tuples(st.sampled_from(["START", "STOP"]), st.lists(st.integers(0, 6), max_size=7), TIMES),
    min_size=1,
    max_size=6,
)


def a_schedule(*actions: tuple[str, list[int], str], zone: str = "Europe/Berlin") -> Schedule:
    """A schedule of at least one action."""
    made = schedule_of(zone, actions)
    assert made is not None
    return made


def utc(text: str) -> datetime:
    """An instant."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_times_are_those_of_the_place_in_summer_and_in_winter() -> None:
    office = a_schedule(("START", [], "08:00"), ("STOP", [], "18:00"))
    assert office.next(utc("2026-01-14T12:00"), Action.STOP) == utc("2026-01-14T17:00")
    assert office.next(utc("2026-07-14T12:00"), Action.STOP) == utc("2026-07-14T16:00")
    assert office.latest(utc("2026-07-14T12:00")) == Occurrence(
        utc("2026-07-14T06:00"), Action.START
    )


def test_days_are_days_of_the_place() -> None:
    late = a_schedule(("STOP", [MONDAY], "00:30"), zone="Pacific/Auckland")
    # Monday half past midnight there is Sunday in UTC.
    assert late.next(utc("2026-03-01T12:00"), Action.STOP) == utc("2026-03-08T11:30")


def test_a_time_that_is_left_out_is_when_the_clocks_change() -> None:
    night = a_schedule(("STOP", [], "02:30"), ("START", [], "03:00"))
    assert night.next(utc("2026-03-28T12:00"), Action.START) == utc("2026-03-29T01:00")
    # Both are at once then, and the later one by the clock counts.
    assert night.next(utc("2026-03-28T12:00"), Action.STOP) == utc("2026-03-30T00:30")
    assert night.latest(utc("2026-03-29T01:00")) == Occurrence(
        utc("2026-03-29T01:00"), Action.START
    )


def test_a_time_that_comes_twice_is_the_first_of_both() -> None:
    night = a_schedule(("STOP", [], "02:30"))
    assert night.next(utc("2026-10-24T12:00"), Action.STOP) == utc("2026-10-25T00:30")
    assert night.next(utc("2026-10-25T00:30"), Action.STOP) == utc("2026-10-26T01:30")


def test_of_actions_at_one_time_the_last_one_counts() -> None:
    both = a_schedule(("START", [], "08:00"), ("STOP", [], "08:00"))
    assert both.next(utc("2026-03-02T00:00"), Action.START) is None
    last = both.latest(utc("2026-03-02T12:00"))
    assert last is not None
    assert last.action is Action.STOP


def test_nothing_at_all_is_no_schedule() -> None:
    assert schedule_of("", []) is None


@pytest.mark.parametrize(
    ("zone", "actions", "field"),
    [
        ("", [("STOP", [], "08:00")], "time_zone"),
        ("Mars/Olympus", [("STOP", [], "08:00")], "time_zone"),
        ("../../etc/passwd", [("STOP", [], "08:00")], "time_zone"),
        ("UTC", [], "actions"),
        ("UTC", [("STOP", [], "08:00"), ("STOP", [], "24:00")], "actions[1].time"),
        ("UTC", [("STOP", [], "8:00")], "actions[0].time"),
        ("UTC", [("STOP", [], "٠٨:٠٠")], "actions[0].time"),
        ("UTC", [("STOP", [-1], "08:00")], "actions[0].days"),
        ("UTC", [("ACTION_UNSPECIFIED", [], "08:00")], "actions[0].action"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_its_field(
    zone: str, actions: list[tuple[str, list[int], str]], field: str
) -> None:
    with pytest.raises(ScheduleInvalid) as refused:
        schedule_of(zone, actions)
    assert [one.field for one in refused.value.fields] == [f"allocation.schedule.{field}"]


def test_a_zone_that_is_gone_stops_nothing() -> None:
    schedule = Schedule("Gone/Zone", a_schedule(("STOP", [], "08:00")).actions)
    assert schedule.latest(utc("2026-03-02T12:00")) is None
    assert schedule.next(utc("2026-03-02T12:00"), Action.STOP) is None


@settings(max_examples=200, deadline=None)
@given(zone=ZONES, at=TIMES, day=st.dates(date(2010, 1, 8), date(2030, 1, 1)))
def test_each_action_happens_once_on_each_named_day(zone: str, at: str, day: date) -> None:
    schedule = a_schedule(("STOP", [day.weekday()], at), zone=zone)
    here = ZoneInfo(zone)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=here).astimezone(UTC)
    found = schedule.next(noon - timedelta(days=5), Action.STOP)
    assert found is not None
    local = found.astimezone(here).replace(tzinfo=None)
    wanted = datetime.combine(day, time.fromisoformat(at))
    # Where that time is left out, it is the first one after it that there is.
    assert wanted <= local
    if local != wanted:
        before = (found - timedelta(seconds=1)).astimezone(here).replace(tzinfo=None)
        assert before < wanted
    again = schedule.next(found, Action.STOP)
    assert again is not None
    assert timedelta(days=5) < again - found < timedelta(days=9)


@settings(max_examples=200, deadline=None)
@given(zone=ZONES, actions=LISTS, now=INSTANTS)
def test_what_is_next_becomes_what_was_last(
    zone: str, actions: list[tuple[str, list[int], str]], now: datetime
) -> None:
    schedule = a_schedule(*actions, zone=zone)
    for action in Action:
        coming = schedule.next(now, action)
        if coming is not None:
            assert coming > now
            assert schedule.latest(coming) == Occurrence(coming, action)
    last = schedule.latest(now)
    assert last is not None
    assert last.time <= now
    upcoming = [one for action in Action if (one := schedule.next(now, action)) is not None]
    # Nothing happens in between.
    assert schedule.latest(min(upcoming) - timedelta(seconds=1)) == last


def test_what_is_due_on_a_day_that_a_place_leaves_out_is_due_when_its_clocks_change() -> None:
    # On Samoa Saturday, the 31st, came after Thursday, the 29th of December 2011.
    thursday = datetime(2011, 12, 29, 20, tzinfo=UTC)
    schedule = a_schedule(("START", [4], "08:00"), zone="Pacific/Apia")
    assert schedule.next(thursday, Action.START) == datetime(2011, 12, 30, 10, tzinfo=UTC)


@settings(max_examples=50, deadline=None)
@given(zone=ZONES, at=TIMES, now=INSTANTS)
@example(zone="Pacific/Apia", at="00:01", now=datetime(2011, 12, 1, 10, 1, tzinfo=UTC))
def test_a_month_of_days_has_as_many_occurrences(zone: str, at: str, now: datetime) -> None:
    schedule = a_schedule(("START", [], at), zone=zone)
    times = [now]
    for _ in range(30):
        found = schedule.next(times[-1], Action.START)
        assert found is not None
        times.append(found)
    place = ZoneInfo(zone)
    for former, later in pairwise(times[1:]):
        assert former < later < former + timedelta(hours=49)
        if later < former + timedelta(hours=20):
            # The former was due on a day that the place leaves out.
            before = later.astimezone(place).date() - timedelta(days=1)
            noon = datetime.combine(before, time(12), tzinfo=place)
            assert noon.astimezone(UTC).astimezone(place).date() != before
