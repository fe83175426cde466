"""What an allocation becomes when its instance is made anew from a newer version of its machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from allocation_svc.domain import requests
from allocation_svc.domain.allocation import Endpoint, Protocol, State, VariableValue
from allocation_svc.domain.decision import decide
from allocation_svc.domain.faults import AllocationDeleted, AllocationWaiting, MachineTooDifferent
from allocation_svc.domain.instance import Instance, InstanceState, Limits, Volume
from allocation_svc.domain.machine import Machine, MachinePort
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


def test_it_keeps_its_address_and_has_the_new_version() -> None:
    machine = replace(NEW, ports=(OLD.ports[1], MachinePort(80, Protocol.TCP, "page", "http")))
    after = remade(RUNNING, machine, [VariableValue("A", "b")], NOW)
    assert (after.machine_version, after.machine_title) == (2, "Echo 2")
    assert [(e.port, e.title, e.scheme) for e in after.endpoints] == [
        (20002, "", ""),
        (20001, "page", "http"),
    ]
    assert after.variables == (VariableValue("A", "b"),)
    assert after.stop_grace_seconds == 3.0


@pytest.mark.parametrize(
    "ports",
    [
        (),
        OLD.ports[:1],
        (*OLD.ports, MachinePort(81, Protocol.TCP)),
        (MachinePort(80, Protocol.UDP), OLD.ports[1]),
    ],
)
def test_other_ports_are_refused(ports: tuple[MachinePort, ...]) -> None:
    with pytest.raises(MachineTooDifferent):
        remade(RUNNING, replace(NEW, ports=ports), (), NOW)


def test_volumes_stay_where_they_are() -> None:
    former = OLD.plan(LIMITS)
    after = plan_after(former, replace(NEW, volumes=(Volume("/cache", 99),)))
    assert after.volumes == former.volumes
    assert (after.image, after.limits) == ("echo:2", LIMITS)
    with pytest.raises(MachineTooDifferent):
        plan_after(former, replace(NEW, volumes=(*OLD.volumes, Volume("/more", 1))))


def test_a_running_one_is_made_anew_at_once_and_once() -> None:
    after = remade(RUNNING, NEW, (), NOW)
    instance = Instance(RUNNING.name, 1, InstanceState.READY, 4, observe_time=NOW)
    step = decide(after, Observation(instance=instance), NOW, RULES)
    assert step.after is not None
    assert step.act is Act.ENSURE
    assert (step.after.generation, step.after.state) == (2, State.PROVISIONING)
    assert not step.after.to_be_remade
    assert step.after.reason is None, "nothing was lost"


def test_a_stopped_one_is_made_anew_at_its_next_start() -> None:
    stopped = replace(requests.stop(RUNNING, NOW), state=State.STOPPED, asked=False)
    after = remade(stopped, NEW, (), NOW)
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
