"""What becomes of an allocation by time is said as people say it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from allocator.allocations.v1 import allocation_pb2
from allocator.machines.v1 import machine_pb2

from allocctl.failures import Failure
from allocctl.plans import EndAction, Restart, plan_rows, put_plan, schedule_text
from allocctl.spans import bytes_of, bytes_text, own_zone, span_of, span_text, time_of

NOW = datetime(2030, 5, 6, 12, 0, tzinfo=UTC)


def put(**wished: Any) -> tuple[allocation_pb2.Allocation, list[str]]:
    allocation = allocation_pb2.Allocation()
    nothing = {"expires": "", "then": None, "idle": "", "schedule": (), "zone": "", "restart": None}
    return allocation, put_plan(allocation, now=NOW, **{**nothing, **wished})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("45s", 45),
        ("90m", 5400),
        ("2h30m", 9000),
        ("7d", 604_800),
        ("1.5h", 5400),
        ("2w", 1_209_600),
    ],
)
def test_a_span_is_read(text: str, seconds: float) -> None:
    assert span_of(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "5", "h", "2h30", "-1h", "2 h"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(Failure, match="no span"):
        span_of(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "59s"), (90, "1m30s"), (3600, "1h"), (90_061, "1d1h")]
)
def test_a_span_is_told_by_its_two_largest_units(seconds: float, text: str) -> None:
    assert span_text(seconds) == text


def test_a_time_is_a_span_from_now_or_a_time_of_the_calendar() -> None:
    assert time_of("4h", NOW) == NOW + timedelta(hours=4)
    assert time_of("2030-12-24T18:00", NOW) == datetime(2030, 12, 24, 18, tzinfo=UTC)
    assert time_of("2030-12-24T18:00+01:00", NOW) == datetime(2030, 12, 24, 17, tzinfo=UTC)
    with pytest.raises(Failure, match="no time"):
        time_of("tomorrow", NOW)


@pytest.mark.parametrize(
    ("text", "count"),
    [("100", 100), ("512M", 512 << 20), ("1.5 GB", 3 << 29), ("2gib", 2 << 30), ("1T", 1 << 40)],
)
def test_amounts_of_bytes_are_read(text: str, count: int) -> None:
    assert bytes_of(text) == count


def test_amounts_of_bytes_are_told_shortly() -> None:
    assert [bytes_text(n) for n in (0, 1023, 1536, 512 << 20, 5 << 40)] == [
        "0 B",
        "1023 B",
        "1.5 KB",
        "512 MB",
        "5.0 TB",
    ]
    with pytest.raises(Failure, match="no amount"):
        bytes_of("much")


def test_nothing_wished_changes_nothing() -> None:
    assert put() == (allocation_pb2.Allocation(), [])


def test_an_end_is_set_and_taken_away() -> None:
    allocation, paths = put(expires="2h", then=EndAction.DELETE)
    assert allocation.expire_time.ToDatetime(tzinfo=UTC) == NOW + timedelta(hours=2)
    assert allocation.expire_action == allocation_pb2.Allocation.DELETE
    assert paths == ["expire_time", "expire_action"]
    allocation, paths = put(expires="never")
    assert not allocation.HasField("expire_time")
    assert paths == ["expire_time"]


def test_idleness_is_set_and_taken_away() -> None:
    allocation, paths = put(idle="30m")
    assert allocation.idle_policy.timeout.seconds == 1800
    assert paths == ["idle_policy"]
    assert put(idle="never")[0].idle_policy.timeout.seconds == 0


def test_a_schedule_is_read_and_told_in_the_same_words() -> None:
    lines = ["start mon-fri 9:00", "stop Mon-Fri 18:00", "stop daily 22:00", "start sat,sun 10:30"]
    allocation, paths = put(schedule=lines, zone="Europe/Berlin")
    assert paths == ["schedule"]
    assert schedule_text(allocation.schedule) == (
        "start mon-fri 09:00; stop mon-fri 18:00; stop daily 22:00; start sat,sun 10:30 "
        "(Europe/Berlin)"
    )
    again, _ = put(
        schedule=schedule_text(allocation.schedule).rpartition(" (")[0].split("; "),
        zone="Europe/Berlin",
    )
    assert again == allocation


def test_days_go_over_the_end_of_the_week() -> None:
    allocation, _ = put(schedule=["stop sat-mon 00:00"], zone="UTC")
    assert sorted(allocation.schedule.actions[0].days) == [1, 6, 7]


def test_a_schedule_is_taken_away() -> None:
    allocation, paths = put(schedule=["never"])
    assert not allocation.HasField("schedule")
    assert paths == ["schedule"]


@pytest.mark.parametrize(
    "line", ["", "start", "start mon", "begin mon 09:00", "start moonday 09:00", "stop mon 9:60"]
)
def test_what_is_no_line_of_a_schedule_is_refused(line: str) -> None:
    with pytest.raises(Failure, match="write 'start mon-fri 09:00'"):
        put(schedule=[line], zone="UTC")


def test_a_zone_without_a_schedule_is_refused() -> None:
    with pytest.raises(Failure, match="--schedule"):
        put(zone="UTC")


def test_what_becomes_of_a_program_that_ends_is_set() -> None:
    allocation, paths = put(restart=Restart.ON_FAILURE)
    assert allocation.restart_policy == machine_pb2.Machine.ON_FAILURE
    assert paths == ["restart_policy"]
    allocation, _ = put(restart=Restart.MACHINE)
    assert allocation.restart_policy == machine_pb2.Machine.RESTART_POLICY_UNSPECIFIED


def test_this_machines_zone_is_one_that_there_is() -> None:
    assert ZoneInfo(own_zone())


def test_a_plan_is_told_in_rows() -> None:
    allocation, _ = put(expires="2h", idle="30m", restart=Restart.ALWAYS)
    rows = dict(plan_rows(allocation))
    assert rows["ends"].startswith("stopped at 2030-05-06")
    assert rows["idle"] == "stopped after 30m without use"
    assert rows["restart"] == "always"
    assert rows["schedule"] == rows["planned"] == ""
