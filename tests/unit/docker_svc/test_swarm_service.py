"""What a service of a Swarm and its tasks say of an instance."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from docker_svc.adapters.container_runtime.docker_config import ContainerPolicy
from docker_svc.adapters.container_runtime.swarm_cluster import ClusterNode
from docker_svc.adapters.container_runtime.swarm_service import (
    NOWHERE,
    Move,
    ServicePolicy,
    Situation,
    again,
    halted,
    is_wanted,
    isolation,
    situation_of,
)
from docker_svc.domain import InstanceKey, InstanceSpec, Limits, PublishedPort, Volume

KEY = InstanceKey("allocations/7f3k2m9q", 2)
SPEC = InstanceSpec(
    Limits(1000, 1 << 28, 64),
    image="redis:7",
    command=("redis-server",),
    ports=(PublishedPort(6379, 20_001),),
    stop_grace=3.5,
    volumes=(Volume("/data", 64),),
)
POLICY = ServicePolicy(ContainerPolicy("test", "0.0.0.0", "10m", 3))
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_service(*, node: str = "") -> dict[str, Any]:
    """A service as the cluster shows it."""
    spec = POLICY.service_spec(KEY, SPEC, network="net", node=node)
    return {"ID": "s", "Version": {"Index": 1}, "Spec": spec}


def a_node(name: str, *, answers: bool = True) -> ClusterNode:
    """A node with the id of its name."""
    return ClusterNode(name, name, f"{name}.address", answers, True, {}, 2000, 1 << 30, NOW)


def a_task(
    number: int, state: str, *, node: str = "n1", code: int = 0, message: str = ""
) -> dict[str, Any]:
    """The task of that number, in a state."""
    began = state in ("running", "complete", "failed", "shutdown")
    return {
        "ID": f"t{number}",
        "ServiceID": "s",
        "CreatedAt": f"2026-03-01T12:00:{number:02}.5Z",
        "Version": {"Index": number},
        "NodeID": node,
        "Status": {
            "State": state,
            "Timestamp": f"2026-03-01T12:01:{number:02}.25Z",
            "Message": message
            or {
                "running": "started",
                "failed": "started",
                "complete": "finished",
                "shutdown": "shutdown",
            }.get(state, state),
            "Err": "" if began else "no suitable node",
            "ContainerStatus": {"ContainerID": "c" if began else "", "ExitCode": code},
        },
    }


def situation(*tasks: dict[str, Any], wanted: bool = True, lost: str = "") -> Situation:
    """What these tasks say, with two nodes."""
    service = a_service()
    if not wanted:
        service["Spec"] = halted(service)
    nodes = {name: a_node(name, answers=name != lost) for name in ("n1", "n2")}
    return situation_of(service, tasks, nodes)


def test_a_running_task_is_a_running_instance_on_its_node() -> None:
    found = situation(a_task(1, "running"))
    standing = found.standing
    assert (standing.key, standing.run, standing.running) == (KEY, "t1", True)
    assert (standing.node, standing.host) == ("n1", "n1.address")
    assert standing.ports == SPEC.ports
    assert (standing.away, found.move) == (False, Move.NONE)


@pytest.mark.parametrize(("state", "code"), [("complete", 0), ("failed", 42)])
def test_a_program_that_ends_by_itself_stays_ended(state: str, code: int) -> None:
    found = situation(a_task(1, state, code=code))
    assert (found.standing.running, found.standing.exit_code) == (False, code)
    assert found.standing.finish_time is not None
    assert found.move is Move.NONE


def test_what_has_not_begun_has_no_run() -> None:
    assert situation().move is Move.BEGINNING
    for state in ("pending", "assigned", "preparing", "starting"):
        found = situation(a_task(1, state))
        assert (found.standing.run, found.move) == ("", Move.BEGINNING)


@pytest.mark.parametrize("message", ["preparing", "starting"])
def test_what_could_not_be_started_never_ran(message: str) -> None:
    task = a_task(1, "failed", message=message)
    assert (situation(task).standing.run, situation(task).move) == ("", Move.NOT_STARTED)
    assert situation(a_task(1, "rejected")).move is Move.NOT_STARTED


@pytest.mark.parametrize(
    ("tasks", "lost"),
    [
        ([a_task(1, "running")], "n1"),
        ([a_task(1, "shutdown", code=143)], ""),
        (
            [
                a_task(1, "orphaned")
                | {"Status": a_task(1, "shutdown")["Status"] | {"State": "orphaned"}}
            ],
            "",
        ),
        ([a_task(1, "running", node="gone")], ""),
        ([a_task(1, "running"), a_task(2, "rejected", node="n2")], "n1"),
    ],
)
def test_what_swarm_has_let_go_of_is_away_and_to_be_placed_anew(
    tasks: list[dict[str, Any]], lost: str
) -> None:
    found = situation(*tasks, lost=lost)
    assert (found.standing.away, found.standing.running, found.standing.run) == (True, True, "t1")
    assert found.standing.exit_code is None
    assert found.move is Move.LET_GO


def test_between_two_nodes_it_is_away_and_nothing_is_to_be_done() -> None:
    found = situation(a_task(1, "running"), a_task(2, "preparing", node="n2"), lost="n1")
    assert (found.standing.away, found.move) == (True, Move.BEGINNING)


def test_what_a_lost_node_says_later_counts_for_nothing() -> None:
    old, new = a_task(1, "failed", code=143), a_task(2, "running", node="n2")
    found = situation(new, old)
    assert (found.standing.run, found.standing.node) == ("t2", "n2")
    assert (found.standing.running, found.standing.away) == (True, False)


def test_one_that_was_stopped_has_ended_with_its_code_although_a_task_waits_for_ever() -> None:
    found = situation(a_task(1, "shutdown", code=3), a_task(2, "pending", node=""), wanted=False)
    assert (found.standing.running, found.standing.exit_code) == (False, 3)
    assert (found.standing.away, found.move) == (False, Move.NONE)


def test_one_that_was_stopped_on_a_lost_node_is_not_said_to_have_ended() -> None:
    found = situation(a_task(1, "running"), a_task(2, "pending", node=""), wanted=False, lost="n1")
    assert (found.standing.running, found.standing.away) == (True, True)
    assert found.move is Move.NONE


def test_stopping_and_starting_change_where_it_may_run_and_nothing_else() -> None:
    service = a_service()
    assert is_wanted(service)
    stopped = halted(service)
    assert not is_wanted({"Spec": stopped})
    assert stopped["TaskTemplate"]["Placement"]["Constraints"] == [NOWHERE]
    assert stopped["TaskTemplate"]["ForceUpdate"] == 1
    started = again({**service, "Spec": stopped}, "n1")
    assert is_wanted({"Spec": started})
    assert started["TaskTemplate"]["Placement"]["Constraints"] == ["node.id==n1"]
    assert (
        started["TaskTemplate"]["ContainerSpec"] == service["Spec"]["TaskTemplate"]["ContainerSpec"]
    )


def test_services_are_hardened_and_never_started_again_by_swarm() -> None:
    template = a_service()["Spec"]["TaskTemplate"]
    container = template["ContainerSpec"]
    assert template["RestartPolicy"] == {"Condition": "none"}
    assert container["CapabilityDrop"] == ["ALL"]
    assert container["Privileges"] == {"NoNewPrivileges": True}
    assert container["Init"] is True
    assert template["Resources"]["Limits"]["Pids"] == 64
    assert template["Resources"]["Reservations"]["MemoryBytes"] == SPEC.limits.memory_bytes
    assert container["StopGracePeriod"] == 4_000_000_000
    [mount] = container["Mounts"]
    assert (mount["Source"], mount["Target"]) == ("allocator-7f3k2m9q-v1", "/data")


def test_people_are_told_of_setuid_while_one_node_is_too_old_to_forbid_it() -> None:
    old, new = a_node("old"), replace(a_node("new"), forbids_privileges=True)
    assert "may gain privileges" in isolation([old, new], keeps_apart=True)
    assert "may gain privileges" not in isolation([new], keeps_apart=True)
    assert "can reach each other" in isolation([new], keeps_apart=False)
