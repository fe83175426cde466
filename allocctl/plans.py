"""What becomes of an allocation by time, as options of a command say it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from allocctl.failures import Failure
from allocctl.spans import NEVER, own_zone, span_of, span_text, time_of

if TYPE_CHECKING:
    from allocator.allocations.v1 import allocation_pb2


class EndAction(StrEnum):
    """What happens at the end."""

    STOP = "stop"
    DELETE = "delete"


class Restart(StrEnum):
    """What becomes of a program that has ended by itself."""

    MACHINE = "machine"
    NEVER = "never"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"


Expires = Annotated[
    str,
    typer.Option("--expires", help="When it ends: 4h, 7d, 2026-12-24T18:00; never."),
]
Then = Annotated[
    EndAction | None, typer.Option("--then", help="What happens then; stop by default.")
]
Idle = Annotated[
    str, typer.Option("--idle", help="Stop it when nobody has used it for so long: 30m; never.")
]
ScheduleLines = Annotated[
    list[str] | None,
    typer.Option(
        "--schedule",
        help="Start or stop it at a time of the week, 'start mon-fri 09:00'; again for each; never.",
    ),
]
Zone = Annotated[
    str,
    typer.Option("--time-zone", help="Of the schedule: Europe/Berlin; this machine's by default."),
]
RestartWish = Annotated[
    Restart | None,
    typer.Option("--restart", help="What becomes of its program when that ends by itself."),
]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LINE = re.compile(r"(start|stop)(?:\s+(\S+))?\s+([0-2]?\d:[0-5]\d)", re.IGNORECASE)
_HOW = "write 'start mon-fri 09:00', 'stop sat,sun 18:00' or 'stop daily 22:00'"


def put_plan(
    allocation: allocation_pb2.Allocation,
    *,
    expires: str,
    then: EndAction | None,
    idle: str,
    schedule: Sequence[str],
    zone: str,
    restart: Restart | None,
    now: datetime,
) -> list[str]:
    """Puts what is wished into an allocation.

    Args:
        allocation: changed in place.
        expires: a span, a time, `never`; empty to leave it.
        then: what happens at that time; None to leave it.
        idle: a span, `never`; empty to leave it.
        schedule: lines; `never` alone for none; empty to leave it.
        zone: of the schedule; empty for this machine's.
        restart: None to leave it.
        now: with the zone of times without an offset.

    Returns:
        The paths of the fields that are wished, for an update mask.

    Raises:
        Failure: something cannot be understood.
    """
    from allocator.allocations.v1 import allocation_pb2
    from allocator.machines.v1 import machine_pb2

    paths = []
    if expires:
        paths.append("expire_time")
        if expires != NEVER:
            allocation.expire_time.FromDatetime(time_of(expires, now))
    if then is not None:
        paths.append("expire_action")
        allocation.expire_action = allocation_pb2.Allocation.EndAction.Value(then.name)
    if idle:
        paths.append("idle_policy")
        timeout = timedelta() if idle == NEVER else span_of(idle)
        allocation.idle_policy.timeout.FromTimedelta(timeout)
    if schedule:
        paths.append("schedule")
        if list(schedule) != [NEVER]:
            allocation.schedule.time_zone = zone or own_zone()
            allocation.schedule.actions.extend(_action(line) for line in schedule)
    elif zone:
        raise Failure("--time-zone belongs to a schedule: give --schedule too.")
    if restart is not None:
        paths.append("restart_policy")
        name = "RESTART_POLICY_UNSPECIFIED" if restart is Restart.MACHINE else restart.name
        allocation.restart_policy = machine_pb2.Machine.RestartPolicy.Value(name)
    return paths


def _action(line: str) -> allocation_pb2.ScheduledAction:
    """One line of a schedule."""
    from allocator.allocations.v1 import allocation_pb2

    found = _LINE.fullmatch(line.strip())
    if found is None:
        raise Failure(f"{line!r} is no line of a schedule; {_HOW}.")
    verb, days, time = found.groups()
    return allocation_pb2.ScheduledAction(
        action=allocation_pb2.ScheduledAction.Action.Value(verb.upper()),
        # Days count from 1, Monday.
        days=[at + 1 for at in _days((days or "daily").lower(), line)],
        time=time.rjust(5, "0"),
    )


def _days(text: str, line: str) -> list[int]:
    """Days of the week from 0, Monday; none for every day."""
    if text == "daily":
        return []
    chosen: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        try:
            begin = _DAYS.index(first[:3])
            end = _DAYS.index(last[:3]) if dash else begin
        except ValueError:
            raise Failure(f"{part!r} in {line!r} is no day; {_HOW}.") from None
        # `sat-mon` goes over the end of the week.
        chosen.update(day % 7 for day in range(begin, end + 1 if end >= begin else end + 8))
    return sorted(chosen)


def plan_rows(allocation: allocation_pb2.Allocation) -> list[tuple[str, str]]:
    """What becomes of an allocation by time, as rows of a table; empty texts where nothing is said."""
    from allocator.allocations.v1 import allocation_pb2
    from allocator.machines.v1 import machine_pb2

    ends = idle = restart = planned = ""
    if allocation.HasField("expire_time"):
        deleted = allocation.expire_action == allocation_pb2.Allocation.DELETE
        verb = "deleted" if deleted else "stopped"
        ends = f"{verb} at {_local(allocation.expire_time.ToDatetime())}"
    timeout = allocation.idle_policy.timeout.ToTimedelta().total_seconds()
    if timeout:
        idle = f"stopped after {span_text(timeout)} without use"
    if allocation.restart_policy:
        name = machine_pb2.Machine.RestartPolicy.Name(allocation.restart_policy)
        restart = name.lower().replace("_", "-")
    if allocation.HasField("planned"):
        planned = planned_text(allocation.planned)
    return [
        ("ends", ends),
        ("idle", idle),
        ("schedule", schedule_text(allocation.schedule)),
        ("restart", restart),
        ("restarts", str(allocation.restart_count or "")),
        ("planned", planned),
    ]


def planned_text(planned: allocation_pb2.PlannedChange) -> str:
    """What happens next by itself: `stopped at 2026-12-24 18:00: nobody has used it`."""
    from allocator.allocations.v1 import allocation_pb2

    state = allocation_pb2.Desired.State.Name(planned.desired_state).lower()
    verb = {"running": "started"}.get(state, state)
    why = f": {planned.reason.message}" if planned.reason.message else ""
    return f"{verb} at {_local(planned.time.ToDatetime())}{why}"


def schedule_text(schedule: allocation_pb2.Schedule) -> str:
    """A schedule in one line, as `--schedule` takes its parts."""
    from allocator.allocations.v1 import allocation_pb2

    lines = []
    for one in schedule.actions:
        verb = allocation_pb2.ScheduledAction.Action.Name(one.action).lower()
        lines.append(f"{verb} {_days_text(sorted(one.days))} {one.time}")
    return f"{'; '.join(lines)} ({schedule.time_zone})" if lines else ""


def _days_text(days: Sequence[int]) -> str:
    """Days from 1, Monday, as `--schedule` takes them: `mon-fri`, `sat,sun`, `daily`."""
    if len(days) in {0, len(_DAYS)}:
        return "daily"
    runs: list[list[int]] = []
    for day in days:
        if runs and day == runs[-1][-1] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(
        f"{_DAYS[run[0] - 1]}-{_DAYS[run[-1] - 1]}"
        if len(run) > 2
        else ",".join(_DAYS[day - 1] for day in run)
        for run in runs
    )


def _local(time: datetime) -> str:
    from datetime import UTC

    return f"{time.replace(tzinfo=UTC).astimezone():%Y-%m-%d %H:%M}"
