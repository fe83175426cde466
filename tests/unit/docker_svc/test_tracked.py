"""What is known of one instance."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from docker_svc.domain import Standing, State
from docker_svc.ports.container_runtime import ProgramEnd
from docker_svc.ports.instance_records import InstanceRecord, Wanted
from docker_svc.usecases.tracked import Tracked

from .conftest import new_key

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOW = STARTED + timedelta(minutes=1)
KILLED = ProgramEnd(NOW, 137)
KEY = new_key()
RUNS = Standing(KEY, "it", running=True, run="first", start_time=STARTED, paused=True)


def tracked(standing: Standing | None) -> Tracked:
    record = InstanceRecord(KEY, None, Wanted.RUNNING, run="first", ready=True)
    return Tracked(record, standing)


def test_a_program_that_is_known_to_run_has_ended_as_is_said() -> None:
    known = tracked(RUNS)
    ended = known.ended(ProgramEnd(STARTED + timedelta(seconds=1), 3))
    assert ended == replace(
        RUNS, running=False, paused=False, finish_time=STARTED + timedelta(seconds=1), exit_code=3
    )
    assert known.state is State.UNHEALTHY
    assert ended is not None
    known.count(ended)
    assert known.state is State.EXITED


def test_of_a_program_that_somebody_kills_nothing_is_known_until_the_runtime_says_it() -> None:
    known = tracked(RUNS)
    killed = known.killed(KILLED)
    assert killed is not None
    known.count(killed)
    shown = known.shown("docker", "here", NOW + timedelta(seconds=9))
    assert (shown.state, shown.reason, shown.away_time) == (State.AWAY, "INSTANCE_KILLED", NOW)
    assert shown.incarnation == tracked(RUNS).record.incarnation
    assert known.killed(KILLED) is None
    known.count(replace(RUNS, running=False, paused=False, exit_code=137))
    assert known.state is State.EXITED


def test_one_whose_node_is_away_says_which() -> None:
    shown = tracked(replace(RUNS, away=True, node="node2")).shown("swarm", "here", NOW)
    assert (shown.state, shown.reason) == (State.AWAY, "NODE_AWAY")
    assert "node2" in shown.message


@pytest.mark.parametrize(
    "standing",
    [
        None,
        replace(RUNS, running=False, finish_time=STARTED, exit_code=0),
        replace(RUNS, away=True),
        replace(RUNS, start_time=None),
        replace(RUNS, start_time=STARTED + timedelta(seconds=1)),
        replace(RUNS, start_time=STARTED + timedelta(seconds=2)),
    ],
    ids=["unknown", "ended", "away", "never started", "as it started", "of the run before"],
)
def test_an_end_of_anything_else_is_asked_for(standing: Standing | None) -> None:
    assert tracked(standing).ended(ProgramEnd(STARTED + timedelta(seconds=1), 3)) is None
    assert tracked(standing).killed(ProgramEnd(STARTED + timedelta(seconds=1), 137)) is None
