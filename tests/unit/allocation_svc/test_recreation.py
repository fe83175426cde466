"""What an allocation becomes when its instance is made anew from a newer version of its machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from allocation_svc.domain import requests
from allocation_svc.domain.allocation import (
    Allocation,
    Endpoint,
    Protocol,
    State,
    VariableValue,
)
from allocation_svc.domain.capacity import Amounts
from allocation_svc.domain.decision import decide
from allocation_svc.domain.faults import AllocationDeleted, AllocationWaiting, MachineTooDifferent
from allocation_svc.domain.instance import Instance, InstanceState, Limits, Volume
from allocation_svc.domain.machine import Machine, MachinePort, Plan
from allocation_svc.domain.recreation import plan_after, refuse_unless_remakable, remade
from allocation_svc.domain.step import Act, Observation
from tests.unit.allocation_svc.examples import NOW, RULES, an_allocation

LIMITS = Limits(500, 1 << 29, 128)
OLD = Machine(
    "machines/echo",
    "Echo",
    1,
    active=True,
    image="echo:1",
    ports=(MachinePort(80, Protocol.TCP, "web"), MachinePort(53, Protocol.UDP)),
    volumes=(Volume("/data", 16), Volume("/cache", 8)),
)
NEW = replace(OLD, version=2, title="Echo 2", image="echo:2", stop_grace_seconds=3.0)
RUNNING = an_allocation(
    State.READY,
    incarnation=4,
    endpoints=(
        Endpoint("here", 20001, Protocol.TCP, 80, "web"),
        Endpoint("here", 20002, Protocol.UDP, 53),
    ),
)


def becomes(allocation: Allocation, machine: Machine, former: Plan | None = None) -> Allocation:
    """The allocation as one of another version."""
    was = former or OLD.plan(LIMITS)
    plans = (was, plan_after(allocation.name, was, machine))
    return remade(allocation, machine, [VariableValue("A", "b")], plans, "there", NOW)


def test_it_keeps_its_address_and_has_the_new_version() -> None:
    machine = replace(NEW, ports=(OLD.ports[1], MachinePort(80, Protocol.TCP, "page", "http")))
    after = becomes(RUNNING, machine)
    assert (after.machine_version, after.machine_title) == (2, "Echo 2")
    assert [(e.host, e.port, e.title, e.scheme) for e in after.endpoints] == [
        ("here", 20002, "", ""),
        ("here", 20001, "page", "http"),
    ]
    assert after.leaving == ()
    assert after.variables == (VariableValue("A", "b"),)
    assert after.stop_grace_seconds == 3.0


def test_ports_that_are_new_are_to_be_leased_and_those_that_are_gone_leave() -> None:
    added = MachinePort(80, Protocol.UDP, "fast")
    after = becomes(RUNNING, replace(NEW, ports=(added, OLD.ports[1])))
    assert after.endpoints == (
        Endpoint("there", 0, Protocol.UDP, 80, "fast"),
        RUNNING.endpoints[1],
    )
    assert after.leaving == (RUNNING.endpoints[0],)
    assert after.has_former_instance


def test_a_port_that_comes_back_before_it_has_left_is_the_same_one() -> None:
    without = becomes(RUNNING, replace(NEW, ports=OLD.ports[1:]))
    back = becomes(without, replace(NEW, version=3))
    assert back.endpoints == RUNNING.endpoints
    assert back.leaving == ()


@pytest.mark.parametrize(
    ("state", "to_be_remade", "expected"),
    [
        (State.READY, True, True),
        (State.FAILED, True, True),
        (State.PROVISIONING, False, True),
        (State.STOPPING, True, True),
        (State.UNKNOWN, True, True),
        (State.READY, False, False),
        (State.UNHEALTHY, False, False),
        (State.FAILED, False, True),
        (State.STOPPED, True, False),
        (State.DELETED, True, False),
    ],
)
def test_the_former_instance_is_gone_once_another_is_ready_or_it_rests(
    state: State, to_be_remade: bool, expected: bool
) -> None:
    assert an_allocation(state, to_be_remade=to_be_remade).has_former_instance is expected


def test_volumes_stay_where_they_are() -> None:
    former = OLD.plan(LIMITS)
    after = plan_after(RUNNING.name, former, replace(NEW, volumes=(Volume("/cache", 99),)))
    assert after.volumes == (
        Volume("/cache", 8, "7f3k2m9q-v2"),
        Volume("/data", 16, "7f3k2m9q-v1"),
    ), "the program counts them as its machine does, and what it had is kept"
    assert (after.image, after.limits) == ("echo:2", LIMITS)


def test_new_volumes_get_names_that_were_never_given_and_count_as_disk() -> None:
    rented = replace(RUNNING, needs=Amounts(1, 500, 1 << 29, 100 << 20))
    attached = (Volume("/data", 16, "aaaa1111-v1"), Volume("/cache", 8))
    wider = replace(NEW, volumes=(Volume("/more", 4), *OLD.volumes))
    after = becomes(rented, wider, replace(OLD.plan(LIMITS), volumes=attached))
    assert [(had.path, had.volume) for had in after.volumes] == [
        ("/more", "volumes/7f3k2m9q-v3"),
        ("/data", "volumes/aaaa1111-v1"),
        ("/cache", "volumes/7f3k2m9q-v2"),
    ]
    assert after.needs == Amounts(1, 500, 1 << 29, 104 << 20)

    again = plan_after(RUNNING.name, plan_after(RUNNING.name, OLD.plan(LIMITS), wider), OLD)
    third = plan_after(RUNNING.name, again, replace(NEW, volumes=(Volume("/third", 1),)))
    named = {volume.path: volume.volume for volume in third.volumes}
    assert (named["/more"], named["/third"]) == ("7f3k2m9q-v3", "7f3k2m9q-v4")


@pytest.mark.parametrize(
    ("volumes", "words"),
    [
        (tuple(Volume(f"/v{n}", 1) for n in range(7)), "would have 9"),
        ((Volume("/data/deeper", 1),), "overlaps"),
        ((Volume("/cache", 8), Volume("/dat", 1), Volume("/data/a", 1)), "overlaps"),
    ],
)
def test_volumes_that_do_not_fit_beside_those_that_are_kept_are_refused(
    volumes: tuple[Volume, ...], words: str
) -> None:
    with pytest.raises(MachineTooDifferent, match=words):
        plan_after(RUNNING.name, OLD.plan(LIMITS), replace(NEW, volumes=volumes))


def test_a_volume_beside_one_with_a_longer_name_fits() -> None:
    beside = replace(NEW, volumes=(Volume("/data2", 1), Volume("/dat", 1)))
    assert len(plan_after(RUNNING.name, OLD.plan(LIMITS), beside).volumes) == 4


def test_a_running_one_is_made_anew_at_once_and_once() -> None:
    after = becomes(RUNNING, NEW)
    instance = Instance(RUNNING.name, 1, InstanceState.READY, 4, observe_time=NOW)
    step = decide(after, Observation(instance=instance), NOW, RULES)
    assert step.after is not None
    assert step.act is Act.ENSURE
    assert (step.after.generation, step.after.state) == (2, State.PROVISIONING)
    assert not step.after.to_be_remade
    assert step.after.reason is None, "nothing was lost"


def test_a_stopped_one_is_made_anew_at_its_next_start() -> None:
    stopped = replace(requests.stop(RUNNING, NOW), state=State.STOPPED, asked=False)
    after = becomes(stopped, NEW)
    instance = Instance(RUNNING.name, 1, InstanceState.EXITED, 4, observe_time=NOW)
    assert decide(after, Observation(instance=instance), NOW, RULES).after is None
    step = decide(requests.start(after, NOW), Observation(instance=instance), NOW, RULES)
    assert step.act is Act.ENSURE
    assert step.after is not None
    assert step.after.generation == 2


def test_what_goes_or_waits_is_refused() -> None:
    with pytest.raises(AllocationDeleted):
        refuse_unless_remakable(requests.delete(RUNNING, NOW))
    with pytest.raises(AllocationWaiting):
        refuse_unless_remakable(replace(RUNNING, state=State.PENDING))
    refuse_unless_remakable(replace(RUNNING, state=State.FAILED))
