"""Which volumes a new allocation has, and what a full one does to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from allocation_svc.domain import requests
from allocation_svc.domain.allocation import Desired, State, StateReason
from allocation_svc.domain.decision import decide
from allocation_svc.domain.instance import Instance, InstanceState, Limits
from allocation_svc.domain.instance import Volume as PlannedVolume
from allocation_svc.domain.machine import Machine
from allocation_svc.domain.step import Act, Observation
from allocation_svc.domain.volume import AllocationVolume, Volume, VolumeState, full_message
from allocation_svc.domain.volume_choice import with_volumes
from allocation_svc.domain.volume_faults import VolumePathUnknown, least_mib
from tests.unit.allocation_svc.examples import NOW, an_allocation

MACHINE = Machine(
    "machines/wiki",
    "Wiki",
    1,
    active=True,
    image="wiki",
    volumes=(PlannedVolume("/b", 16), PlannedVolume("/a", 32)),
)
NAME = "allocations/7f3k2m9q"
FULL = StateReason("VOLUME_FULL", "It is full.")


def test_each_path_gets_a_new_volume_or_the_one_that_is_named() -> None:
    plan = MACHINE.plan(Limits(1, 1, 1))
    assert with_volumes(NAME, MACHINE, plan, {}) == (
        plan,
        (
            AllocationVolume("/b", "volumes/7f3k2m9q-v1"),
            AllocationVolume("/a", "volumes/7f3k2m9q-v2"),
        ),
    )
    named, had = with_volumes(NAME, MACHINE, plan, {"/a": "volumes/other123-v1"})
    assert named.volumes == (PlannedVolume("/b", 16), PlannedVolume("/a", 32, "other123-v1"))
    assert had[1] == AllocationVolume("/a", "volumes/other123-v1")
    with pytest.raises(VolumePathUnknown):
        with_volumes(NAME, MACHINE, plan, {"/c": "volumes/other123-v1"})


def test_a_full_volume_stops_its_allocation_and_says_so_until_it_is_started() -> None:
    ready = replace(an_allocation(State.READY), incarnation=1)
    stopping = requests.stop_for(ready, NOW, FULL)
    runs = Instance(ready.name, 1, InstanceState.READY, incarnation=1, observe_time=NOW)
    step = decide(stopping, Observation(instance=runs), NOW)
    assert step.act is Act.STOP
    assert step.after is not None
    ended = replace(runs, state=InstanceState.EXITED, exit_code=0)
    step = decide(step.after, Observation(instance=ended), NOW)
    assert step.after is not None
    assert (step.after.state, step.after.desired) == (State.STOPPED, Desired.STOPPED)
    assert step.after.reason == replace(FULL, exit_code=0)
    assert requests.start(step.after, NOW).stop_reason is None
    assert requests.delete(step.after, NOW).stop_reason is None
    again = requests.stop(requests.start(step.after, NOW), NOW)
    assert again.stop_reason is None, "then it is its owner's wish"


def test_sizes_are_said_as_people_say_them() -> None:
    volume = Volume(
        "volumes/7f3k2m9q-v1",
        "u",
        "users/ada",
        "mine",
        "machines/wiki",
        "/data",
        16,
        "here",
        NAME,
        VolumeState.IN_USE,
        NOW,
        NOW,
        size_bytes=(16 << 20) + (1 << 19),
    )
    assert volume.is_full
    assert "volumes/7f3k2m9q-v1 at /data holds 16.5 MiB and may hold 16.0 MiB" in full_message(
        volume
    )
    assert not replace(volume, size_bytes=16 << 20).is_full
    assert [least_mib(size) for size in (0, 1, 1 << 20, (1 << 20) + 1)] == [1, 1, 1, 2]
