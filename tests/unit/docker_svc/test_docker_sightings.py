"""What an engine has said is believed for a while, as long as its list says the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chassis.clock import ManualClock
from docker_svc.adapters.container_runtime.docker_sightings import Sightings
from docker_svc.domain import Standing

from .conftest import new_key

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RUNS = Standing(new_key(), "it", running=True, run="first", start_time=STARTED)
ENDED = replace(RUNS, running=False, exit_code=3)


@pytest.mark.parametrize(
    ("standing", "state"),
    [
        (RUNS, "running"),
        (replace(RUNS, paused=True), "paused"),
        (ENDED, "exited"),
        (replace(RUNS, running=False, run="", start_time=None), "created"),
    ],
)
def test_what_the_list_says_too_is_believed(standing: Standing, state: str) -> None:
    sightings = Sightings(ManualClock())
    sightings.note("c1", standing)
    assert sightings.as_listed(RUNS.key, {"Id": "c1", "State": state}) == standing
    for other in {"running", "paused", "exited", "created", "restarting", "removing"} - {state}:
        assert sightings.as_listed(RUNS.key, {"Id": "c1", "State": other}) is None
    assert sightings.as_listed(RUNS.key, {"Id": "c2", "State": state}) is None
    assert sightings.as_listed(new_key(), {"Id": "c1", "State": state}) is None


@pytest.mark.parametrize("how", ["it", "all", "time"])
def test_it_is_asked_of_again_after_an_event_and_after_a_while(how: str) -> None:
    clock = ManualClock()
    sightings = Sightings(clock)
    sightings.note("c1", RUNS)
    row = {"Id": "c1", "State": "running"}
    clock.advance(59)
    assert sightings.as_listed(RUNS.key, row) == RUNS
    match how:
        case "it":
            sightings.forget(RUNS.key)
        case "all":
            sightings.forget_all()
        case _:
            clock.advance(2)
    assert sightings.as_listed(RUNS.key, row) is None
